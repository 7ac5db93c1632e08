//! URLs of stores: what is read is printed as a URL of the same store, but for a password; nothing that is
//! printed tells a secret.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_core::StoreUrl;

/// Stands where a password may stand.
const SECRET: &str = "hunter2";

fuzz_target!(|text: &str| {
    read(text);
    for url in with_secret(text) {
        let told = match url.parse::<StoreUrl>() {
            Ok(read) if read.server().is_some() => format!("{read} {read:?}"),
            // What stands there is the path of a file.
            Ok(_) => continue,
            Err(error) => error.to_string(),
        };
        assert!(!told.contains(SECRET), "of {url:?} {told:?} is told");
    }
});

fn read(text: &str) {
    match text.parse::<StoreUrl>() {
        Ok(url) => {
            let printed = url.to_string();
            let again = printed.parse::<StoreUrl>();
            let again = again.unwrap_or_else(|error| panic!("{text:?} as {printed:?}: {error}"));
            let password = url.server().is_some_and(|server| server.password().is_some());
            if password {
                assert_eq!(again.to_string(), printed, "{text:?}");
            } else {
                assert_eq!(again, url, "{text:?} as {printed:?}");
            }
        }
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && told.len() < 4_096, "{told}");
        }
    }
}

/// URLs with a password where passwords stand: before an `@`, and in a setting.
fn with_secret(text: &str) -> Vec<String> {
    if text.contains(['\0', '@', '?', '#', '/', 'h']) || text.len() > 64 {
        return Vec::new();
    }
    let mut urls = Vec::new();
    for scheme in ["redis", "postgres", "sqlite", "memory", text] {
        urls.push(format!("{scheme}://{text}:{SECRET}@localhost/0"));
        urls.push(format!("{scheme}:{text}:{SECRET}@localhost/0"));
        urls.push(format!("{scheme}:?password={SECRET}&{text}"));
        urls.push(format!("{scheme}:x?{text}&password={SECRET}"));
        urls.push(format!(
            "{scheme}:x?{text}&password={SECRET}&password={SECRET}"
        ));
    }
    urls.push(format!("{SECRET}@{text}"));
    urls.push(format!("{text}:{SECRET}@localhost"));
    urls.push(format!("{text}{SECRET}@localhost:5432/db"));
    urls
}
