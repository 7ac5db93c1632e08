//! What this host and this process are called, for people.

/// Host and process, such as `web-1:4242`.
pub(crate) fn worker_name() -> String {
    format!("{}:{}", host_name(), std::process::id())
}

#[cfg(unix)]
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let printable: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    if printable.is_empty() {
        "host".to_owned()
    } else {
        printable
    }
}

#[cfg(not(unix))]
pub(crate) fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "host".to_owned())
}
