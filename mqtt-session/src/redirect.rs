//! Which server to use instead (5.0 section 4.11).

/// The servers of a Server Reference, in its order, without allocating. Made by [`Disconnected::server_references`](crate::Disconnected::server_references).
///
/// An entry of a form that the specification does not name is left out; the text as it came is in
/// [`Properties::server_reference`](mqtt_proto::Properties::server_reference).
///
/// ```
/// use mqtt_session::{ServerReference, ServerReferences};
///
/// let mut servers = ServerReferences::new("[2001:db8::1]:8883 b.example.org");
/// assert_eq!(servers.next(), Some(ServerReference { host: "2001:db8::1", port: Some(8883) }));
/// assert_eq!(servers.next(), Some(ServerReference { host: "b.example.org", port: None }));
/// assert_eq!(servers.next(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReferences<'a>(Option<&'a str>);

impl<'a> ServerReferences<'a> {
    /// The servers of a list that is separated by spaces.
    #[must_use]
    pub const fn new(list: &'a str) -> Self {
        Self(Some(list))
    }
}

impl<'a> Iterator for ServerReferences<'a> {
    type Item = ServerReference<'a>;

    fn next(&mut self) -> Option<ServerReference<'a>> {
        loop {
            let (entry, rest) = match self.0?.split_once(' ') {
                Some((entry, rest)) => (entry, Some(rest)),
                None => (self.0?, None),
            };
            self.0 = rest;
            if let Some(server) = ServerReference::parse(entry) {
                return Some(server);
            }
        }
    }
}

/// One server of a Server Reference.
///
/// Whoever follows it should count how often it has been sent on, and should not leave a secured transport for an open one.
///
/// ```
/// use mqtt_session::ServerReference;
///
/// let server = ServerReference::parse("localhost:1883").unwrap();
/// assert_eq!((server.host, server.port), ("localhost", Some(1883)));
/// assert_eq!(ServerReference::parse("localhost:"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the specification names no more")]
pub struct ServerReference<'a> {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: &'a str,
    /// `None`: the port that is usual for the transport.
    pub port: Option<u16>,
}

impl<'a> ServerReference<'a> {
    /// A `host`, a `host:port`, an `[address]` or an `[address]:port`. `None`: it is none of these.
    ///
    /// An IPv6 address without brackets, which has no place for a port, is taken, too.
    #[must_use]
    pub fn parse(entry: &'a str) -> Option<Self> {
        let (host, port) = if let Some(bracketed) = entry.strip_prefix('[') {
            match bracketed.split_once(']')? {
                (host, "") => (host, None),
                (host, rest) => (host, Some(rest.strip_prefix(':')?)),
            }
        } else {
            match entry.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (entry, None),
            }
        };
        let port = match port {
            Some(port) => Some(parse_port(port)?),
            None => None,
        };
        let is_host = !host.is_empty() && !host.contains(['[', ']']);
        is_host.then_some(Self { host, port })
    }
}

fn parse_port(port: &str) -> Option<u16> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|&port| is_number && port > 0)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_form_of_the_specification_is_read() {
        let table = [
            ("myserver.xyz.org", "myserver.xyz.org", None),
            ("myserver.xyz.org:8883", "myserver.xyz.org", Some(8883)),
            ("10.10.151.22:8883", "10.10.151.22", Some(8883)),
            ("[fe80::9610:3eff:fe1c]", "fe80::9610:3eff:fe1c", None),
            ("[fe80::9610:3eff:fe1c]:1883", "fe80::9610:3eff:fe1c", Some(1883)),
            ("fe80::9610:3eff:fe1c", "fe80::9610:3eff:fe1c", None),
            ("a:65535", "a", Some(65535)),
        ];
        for (entry, host, port) in table {
            assert_eq!(ServerReference::parse(entry), Some(ServerReference { host, port }), "{entry}");
        }
    }

    #[test]
    fn whatever_else_there_is_is_left_out() {
        let table =
            ["", ":1", "a:", "a:0", "a:65536", "a:+1", "a:b", "[", "[]", "[]:1", "[a", "[a]b", "[a]:", "a]", "[[a]"];
        for entry in table {
            assert_eq!(ServerReference::parse(entry), None, "{entry}");
        }
        let list = format!(" {}  a b:1 ", table.join(" "));
        let found: Vec<_> = ServerReferences::new(&list).map(|server| (server.host, server.port)).collect();
        assert_eq!(found, [("a", None), ("b", Some(1))]);
    }
}
