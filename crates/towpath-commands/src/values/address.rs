//! Where metrics are served: `9090`, `:9090`, `127.0.0.1:9090`, `[::1]:9090`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Reads an address; without a host it is the loopback of this machine.
pub(crate) fn metrics_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok((IpAddr::V4(Ipv4Addr::LOCALHOST), port).into());
    }
    text.parse().map_err(|_| {
        "write a port such as 9090 (served on 127.0.0.1), or an IP address and a port such as \
         0.0.0.0:9090"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_unless_told() {
        let check = |text: &str, expected: &str| {
            assert_eq!(metrics_address(text).unwrap().to_string(), expected);
        };
        check("9090", "127.0.0.1:9090");
        check(":9090", "127.0.0.1:9090");
        check("0.0.0.0:80", "0.0.0.0:80");
        check("[::1]:0", "[::1]:0");
        for bad in ["", "host:80", "70000", "1.2.3.4"] {
            assert!(metrics_address(bad).is_err(), "{bad:?}");
        }
    }
}
