//! Fictional data for trying Rekey out: a partner, three customers, about forty users with every kind of method.

/// The user that examples and the printed curl line reset.
pub const EXAMPLE_USER: &str = "adele.vance@contoso.example";
/// A user of the same tenant who has only a password yet.
pub const NEW_HIRE: &str = "new.hire@contoso.example";

/// The domain of the tenant that examples speak of.
pub const EXAMPLE_TENANT: &str = "contoso.example";

/// The id of a seeded object of the example tenant: the same on every machine.
pub fn id(name: &str) -> String {
    crate::id::stable_guid(&format!("demo/contoso/{name}"))
}
