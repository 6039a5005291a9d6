//! Who works where, and what they have beside a password.

use crate::roles::Role;

pub struct Organization {
    pub domain: &'static str,
    pub display_name: &'static str,
    pub is_partner: bool,
    pub people: &'static [Person],
}

pub struct Person {
    /// The part of the userPrincipalName before the `@`.
    pub alias: &'static str,
    pub title: &'static str,
    pub role: Option<Role>,
    /// What the person has beside a password.
    pub has: &'static [Has],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Has {
    Mobile,
    Alternate,
    Office,
    Email,
    App,
    Totp,
    /// A software token that waits for its first code, for longer than real ones do.
    PendingTotp,
    Token,
    /// A hardware token that was never activated.
    NewToken,
    Passkey,
    /// A key of Windows Hello for Business.
    Hello,
    /// A platform credential of a Mac.
    Mac,
    /// The word of a provider outside.
    External,
    /// A QR code with a PIN.
    Badge,
    /// A temporary QR code beside it.
    DayBadge,
    Pass,
    /// Not a method: the account was deleted.
    Left,
    /// Not a method: a guest of another organization.
    IsGuest,
}
use Has::*;

const fn person(alias: &'static str, title: &'static str, has: &'static [Has]) -> Person {
    Person { alias, title, role: None, has }
}

const fn admin(alias: &'static str, title: &'static str, role: Role, has: &'static [Has]) -> Person {
    Person { alias, title, role: Some(role), has }
}

/// The first is the tenant of the examples.
pub const ORGANIZATIONS: &[Organization] = &[
    Organization {
        domain: "contoso.example",
        display_name: "Contoso",
        is_partner: false,
        people: &[
            person(
                "adele.vance",
                "Retail Manager",
                &[
                    Mobile, Office, Email, App, Totp, Token, NewToken, Passkey, Hello, Mac, External, Badge, DayBadge,
                    Pass,
                ],
            ),
            person("new.hire", "Trainee", &[PendingTotp]),
            person("left.company", "Former employee", &[Left, Mobile]),
            person("gone.forever", "Former employee", &[Left]),
            admin("emily.braun", "Help desk lead", Role::AuthenticationAdministrator, &[App, Passkey]),
            admin("nestor.wilke", "Security architect", Role::PrivilegedAuthenticationAdministrator, &[Passkey, Token]),
            admin("isaiah.langer", "IT director", Role::GlobalAdministrator, &[Passkey, App]),
            admin("patti.fernandez", "Help desk", Role::HelpdeskAdministrator, &[App, Mobile]),
            admin("lynne.robbins", "Auditor", Role::GlobalReader, &[Totp]),
            person("alex.wilber", "Marketing", &[Mobile, App]),
            person("diego.siciliani", "HR", &[Mobile, Office]),
            person("grady.archie", "Designer", &[Totp, Email]),
            person("henrietta.mueller", "Developer", &[Passkey, Totp, Token]),
            person("joni.sherman", "Paralegal", &[App, Hello, Badge]),
            person("lee.gu", "Director", &[Mobile, Alternate, App]),
            person("pradeep.gupta", "Accountant", &[Mobile, Email]),
            person("guest.advisor", "Advisor", &[IsGuest, Mobile]),
        ],
    },
    Organization {
        domain: "northwind.example",
        display_name: "Northwind Traders",
        is_partner: false,
        people: &[
            admin("nancy.davolio", "Administrator", Role::GlobalAdministrator, &[Passkey, App]),
            admin("andrew.fuller", "Help desk", Role::AuthenticationAdministrator, &[App]),
            person("janet.leverling", "Sales", &[Mobile, App]),
            person("margaret.peacock", "Sales", &[Mobile, Totp]),
            person("steven.buchanan", "Sales manager", &[App, Email]),
            person("michael.suyama", "Sales", &[Totp, Token]),
            person("robert.king", "Sales", &[Mobile, Alternate]),
            person("laura.callahan", "Coordinator", &[App, Passkey, Mac]),
            person("anne.dodsworth", "Sales", &[Office]),
            person("maria.anders", "Warehouse", &[Token]),
            person("thomas.hardy", "Warehouse", &[NewToken]),
            person("yang.wang", "Drivers", &[Badge]),
        ],
    },
    Organization {
        domain: "tailspin.example",
        display_name: "Tailspin Toys",
        is_partner: false,
        people: &[
            admin("amy.alberts", "Administrator", Role::GlobalAdministrator, &[Passkey]),
            admin("jeff.price", "Help desk", Role::AuthenticationAdministrator, &[App, Totp]),
            person("molly.dempsey", "Toy designer", &[Mobile, App]),
            person("sidney.higa", "Toy designer", &[Mobile]),
            person("jamie.reding", "Production", &[Totp]),
            person("alan.steiner", "Production", &[App, Email]),
            person("eric.gruber", "Production", &[Token, Mobile]),
            person("carlos.garcia", "Shipping", &[Office]),
            person("spencer.low", "Shipping", &[]),
        ],
    },
    Organization {
        domain: "fabrikam.example",
        display_name: "Fabrikam Managed Services",
        is_partner: true,
        people: &[
            admin("dana.swope", "Service manager", Role::GlobalAdministrator, &[Passkey, App]),
            person("kim.akers", "Engineer", &[App, Totp]),
            person("ray.chow", "Engineer", &[App, Token]),
            person("toby.nixon", "Engineer", &[Mobile, App]),
        ],
    },
];
