//! What a request costs, in Graph's resource units.

use poem::http::Method;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    Read {
        units: u32,
    },
    /// And one write.
    Write {
        units: u32,
    },
    /// Reports and logs have a limit of their own.
    Report,
}

impl Cost {
    /// A list of users costs 2 and anything else 1; `$expand` 1 more, `$select` and a `$top` below 20 each 1 less, but
    /// nothing is for nothing. Whatever is no GET is a write, except for sign-ins: a sign-in service asks for each of
    /// its users in turn, and changes no directory.
    pub fn of(method: &Method, path: &str, query: &str) -> Self {
        let below_version = path.strip_prefix("/v1.0").unwrap_or(path);
        if ["/reports/authenticationMethods", "/auditLogs/"].iter().any(|prefix| below_version.starts_with(prefix)) {
            return Self::Report;
        }
        if below_version == "/signInSessions" || below_version.starts_with("/signInSessions/") {
            return Self::Read { units: 1 };
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Self::Write { units: 1 };
        }
        let mut units: i32 = if below_version == "/users" { 2 } else { 1 };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            units += match &*name {
                "$expand" => 1,
                "$select" => -1,
                "$top" if value.parse::<u32>().is_ok_and(|top| top < 20) => -1,
                _ => 0,
            };
        }
        Self::Read { units: u32::try_from(units).unwrap_or_default().max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs() {
        let read = |path: &str, query: &str| Cost::of(&Method::GET, path, query);
        assert_eq!(read("/v1.0/users", ""), Cost::Read { units: 2 });
        assert_eq!(read("/v1.0/users", "$expand=x"), Cost::Read { units: 3 });
        assert_eq!(read("/v1.0/users", "$select=id"), Cost::Read { units: 1 });
        assert_eq!(read("/v1.0/users", "%24top=19"), Cost::Read { units: 1 });
        assert_eq!(read("/v1.0/users", "%24top=20"), Cost::Read { units: 2 });
        assert_eq!(read("/v1.0/users", "$select=id&$top=1"), Cost::Read { units: 1 });
        assert_eq!(read("/v1.0/users/x", "$select=id"), Cost::Read { units: 1 });
        assert_eq!(read("/v1.0/users/x/authentication/methods", ""), Cost::Read { units: 1 });
        assert_eq!(read("/v1.0/auditLogs/signIns", "$top=1"), Cost::Report);
        assert_eq!(read("/v1.0/reports/authenticationMethods/userRegistrationDetails", ""), Cost::Report);
        let write = |path: &str| Cost::of(&Method::POST, path, "");
        assert_eq!(write("/v1.0/users/x/authentication/resetMfa"), Cost::Write { units: 1 });
        assert_eq!(write("/v1.0/signInSessions/x/verify"), Cost::Read { units: 1 });
    }
}
