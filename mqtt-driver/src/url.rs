//! Options from a URL.

use mqtt_proto::Version;

use crate::error::UrlError;
use crate::options::Options;

pub(crate) fn parse(url: &str) -> Result<Options, UrlError> {
    let (scheme, rest) = url.split_once("://").ok_or(UrlError::NoScheme)?;
    check_scheme(&scheme.to_ascii_lowercase())?;
    if rest.contains('#') {
        return Err(UrlError::Fragment);
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() {
        return Err(UrlError::Path);
    }
    // A name or password may hold an `@` that was not escaped; a host can't.
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let (host, port) = split_port(host)?;
    let mut options = Options::new(host);
    options.port = port.unwrap_or(options.port);
    if let Some(user) = user {
        set_user(&mut options, user)?;
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        set_parameter(&mut options, &text(name)?, &text(value)?)?;
    }
    Ok(options)
}

fn check_scheme(scheme: &str) -> Result<(), UrlError> {
    match scheme {
        "mqtt" | "tcp" => Ok(()),
        "mqtts" | "ssl" | "tls" | "ws" | "wss" => Err(UrlError::NotSupportedYet(scheme.into())),
        _ => Err(UrlError::UnknownScheme(scheme.into())),
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(authority: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
            if address.parse::<core::net::Ipv6Addr>().is_err() {
                return Err(UrlError::Host);
            }
            (address.to_owned(), rest.strip_prefix(':').map_or((!rest.is_empty()).then_some(rest), Some))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (text(host)?, Some(port)),
            None => (text(authority)?, None),
        },
    };
    if host.is_empty() {
        return Err(UrlError::Host);
    }
    let port = match port {
        // A colon with nothing behind it means the default port (RFC 3986 section 3.2.3).
        None | Some("") => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().map_err(|_| UrlError::Port)?),
        Some(_) => return Err(UrlError::Port),
    };
    Ok((host, port))
}

fn set_user(options: &mut Options, user: &str) -> Result<(), UrlError> {
    let (name, password) = match user.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (user, None),
    };
    if !name.is_empty() {
        options.connect.user_name = Some(text(name)?);
    }
    options.connect.password = password.map(unescape).transpose()?;
    Ok(())
}

fn set_parameter(options: &mut Options, name: &str, value: &str) -> Result<(), UrlError> {
    let wrong = |expected| UrlError::Value { name: name.into(), expected };
    let connect = &mut options.connect;
    match name {
        "client_id" => connect.client_id = value.into(),
        "version" => {
            connect.version = match value {
                "3.1" => Version::V3_1,
                "3.1.1" => Version::V3_1_1,
                "5" | "5.0" => Version::V5,
                _ => return Err(wrong("3.1, 3.1.1 or 5")),
            }
        }
        "clean_start" => connect.clean_start = value.parse().map_err(|_| wrong("true or false"))?,
        "keep_alive" => {
            connect.keep_alive = seconds(value)
                .and_then(|seconds| u16::try_from(seconds).ok())
                .ok_or(wrong("a duration such as 30s, at most 65535s"))?;
        }
        "session_expiry" if value == "never" => connect.session_expiry_interval = u32::MAX,
        "session_expiry" => {
            connect.session_expiry_interval = seconds(value).ok_or(wrong("a duration such as 1h, or never"))?;
        }
        _ => return Err(UrlError::UnknownParameter(name.into())),
    }
    Ok(())
}

/// `90`, `90s`, `5m`, `1h`, `7d`.
fn seconds(text: &str) -> Option<u32> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits)? {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    digits.parse::<u32>().ok()?.checked_mul(unit)
}

fn text(escaped: &str) -> Result<String, UrlError> {
    String::from_utf8(unescape(escaped)?).map_err(|_| UrlError::Escape)
}

/// Puts bytes in the place of `%` and two hexadecimal digits. A `+` is a `+`: topics and names have them.
fn unescape(escaped: &str) -> Result<Vec<u8>, UrlError> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(UrlError::Escape);
        };
        bytes.push((high * 16 + low) as u8);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(url: &str) -> UrlError {
        parse(url).expect_err(url)
    }

    #[test]
    fn hosts_and_ports() {
        for (url, host, port) in [
            ("mqtt://localhost", "localhost", 1883),
            ("mqtt://localhost/", "localhost", 1883),
            ("MQTT://localhost:", "localhost", 1883),
            ("tcp://10.0.0.1:1884", "10.0.0.1", 1884),
            ("mqtt://[::1]", "::1", 1883),
            ("mqtt://[fe80::1]:99/?", "fe80::1", 99),
            ("mqtt://a@b:c@host:1?", "host", 1),
        ] {
            let options = parse(url).expect(url);
            assert_eq!((options.host.as_str(), options.port), (host, port), "{url}");
        }
    }

    #[test]
    fn user_and_password_are_unescaped() {
        let options = parse("mqtt://b%C3%BCro%40x:p%3A%00%ff@host").unwrap();
        assert_eq!(options.connect.user_name.as_deref(), Some("büro@x"));
        assert_eq!(options.connect.password.as_deref(), Some(&b"p:\0\xff"[..]));
        let options = parse("mqtt://user@host").unwrap();
        assert_eq!((options.connect.user_name.as_deref(), options.connect.password), (Some("user"), None));
        let options = parse("mqtt://:secret@host").unwrap();
        assert_eq!((options.connect.user_name, options.connect.password.as_deref()), (None, Some(&b"secret"[..])));
    }

    #[test]
    fn every_parameter() {
        let connect = parse(
            "mqtt://host:1883/?client_id=x%26y&keep_alive=30s&version=3.1.1&clean_start=false&session_expiry=3600",
        )
        .unwrap()
        .connect;
        assert_eq!((connect.client_id.as_str(), connect.keep_alive), ("x&y", 30));
        assert_eq!((connect.version, connect.clean_start), (Version::V3_1_1, false));
        assert_eq!(connect.session_expiry_interval, 3600);
        let connect = parse("mqtt://host?session_expiry=never&keep_alive=2m&version=5").unwrap().connect;
        assert_eq!((connect.session_expiry_interval, connect.keep_alive), (u32::MAX, 120));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(fails("localhost"), UrlError::NoScheme);
        assert_eq!(fails("http://localhost"), UrlError::UnknownScheme("http".into()));
        assert_eq!(fails("mqtts://localhost"), UrlError::NotSupportedYet("mqtts".into()));
        assert_eq!(fails("mqtt://"), UrlError::Host);
        assert_eq!(fails("mqtt://[::1"), UrlError::Host);
        assert_eq!(fails("mqtt://[host]"), UrlError::Host);
        assert_eq!(fails("mqtt://::1"), UrlError::Host);
        for port in ["x", "+1", "65536", "1:2"] {
            assert_eq!(fails(&format!("mqtt://host:{port}")), UrlError::Port);
        }
        assert_eq!(fails("mqtt://[::1]x"), UrlError::Port);
        assert_eq!(fails("mqtt://host/path"), UrlError::Path);
        assert_eq!(fails("mqtt://host/#a"), UrlError::Fragment);
        for escape in ["%", "%1", "%zz", "%ff"] {
            assert_eq!(fails(&format!("mqtt://{escape}@host")), UrlError::Escape);
        }
        assert_eq!(fails("mqtt://host?colour=red"), UrlError::UnknownParameter("colour".into()));
        for wrong in
            ["version=4", "clean_start=1", "keep_alive=65536", "keep_alive=1w", "session_expiry=", "keep_alive=-1"]
        {
            assert!(matches!(fails(&format!("mqtt://host?{wrong}")), UrlError::Value { .. }), "{wrong}");
        }
    }
}
