//! Entra's built-in directory roles that matter to authentication methods, and who may act on whom.
//!
//! Source: Microsoft Entra "built-in roles" and "privileged roles: who can perform sensitive actions".

use crate::words;

words! {
    /// A directory role, stored and sent as its template id.
    pub enum Role {
        GlobalAdministrator = "62e90394-69f5-4237-9190-012177145e10",
        PrivilegedAuthenticationAdministrator = "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
        AuthenticationAdministrator = "c4e39bd9-1100-46d3-8c65-fb160da0071f",
        AuthenticationPolicyAdministrator = "0526716b-113d-4c15-b2c8-68e3c22b9f80",
        UserAdministrator = "fe930be7-5e62-47db-91af-98c3a49a38b1",
        HelpdeskAdministrator = "729827e3-9c14-49f7-bb1b-9608f156bbb8",
        PasswordAdministrator = "966707d0-3269-4727-9be2-8c3a10f19b9d",
        GlobalReader = "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
        ReportsReader = "4a5d8f65-41da-4de4-8968-e035b65339cf",
        SecurityReader = "5d6b6bb7-de71-4623-b4af-96380a352509",
        SecurityAdministrator = "194ae4cb-b126-40b2-bd5b-6091b380977d",
        PrivilegedRoleAdministrator = "e8611ab8-c189-46e8-94e1-60213ab1f814",
        DirectoryReaders = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
        GuestInviter = "95e79109-95c0-4d8e-aee3-d01accf2d47b",
        MessageCenterReader = "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b",
        GroupsAdministrator = "fdd7a751-b60b-444a-984c-02652fe8fa1c",
        UsageSummaryReportsReader = "75934031-6c7e-415a-99d7-48dbd49e875e",
        UserExperienceSuccessManager = "27460883-1df1-4691-b032-3b79643e5e63",
    }
}

impl Role {
    pub const fn display_name(self) -> &'static str {
        match self {
            Self::GlobalAdministrator => "Global Administrator",
            Self::PrivilegedAuthenticationAdministrator => "Privileged Authentication Administrator",
            Self::AuthenticationAdministrator => "Authentication Administrator",
            Self::AuthenticationPolicyAdministrator => "Authentication Policy Administrator",
            Self::UserAdministrator => "User Administrator",
            Self::HelpdeskAdministrator => "Helpdesk Administrator",
            Self::PasswordAdministrator => "Password Administrator",
            Self::GlobalReader => "Global Reader",
            Self::ReportsReader => "Reports Reader",
            Self::SecurityReader => "Security Reader",
            Self::SecurityAdministrator => "Security Administrator",
            Self::PrivilegedRoleAdministrator => "Privileged Role Administrator",
            Self::DirectoryReaders => "Directory Readers",
            Self::GuestInviter => "Guest Inviter",
            Self::MessageCenterReader => "Message Center Reader",
            Self::GroupsAdministrator => "Groups Administrator",
            Self::UsageSummaryReportsReader => "Usage Summary Reports Reader",
            Self::UserExperienceSuccessManager => "User Experience Success Manager",
        }
    }

    /// May a holder of this role do sensitive things to a user who holds `target`? A user with several roles needs a
    /// yes for each; a user with none can be managed by whoever may do the action at all.
    pub fn may_manage(self, target: Self) -> bool {
        use Role::*;
        let harmless = matches!(target, DirectoryReaders | GuestInviter | PasswordAdministrator);
        let reader = matches!(
            target,
            MessageCenterReader | ReportsReader | UsageSummaryReportsReader | UserExperienceSuccessManager
        );
        match self {
            GlobalAdministrator | PrivilegedAuthenticationAdministrator => true,
            AuthenticationAdministrator => harmless || reader || target == AuthenticationAdministrator,
            UserAdministrator => {
                harmless || reader || matches!(target, HelpdeskAdministrator | GroupsAdministrator | UserAdministrator)
            }
            HelpdeskAdministrator => harmless || reader || target == HelpdeskAdministrator,
            PasswordAdministrator => harmless,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Role::{self, *};

    /// The rows of Entra's table for the column Authentication Administrator.
    #[test]
    fn an_authentication_administrator_manages_lesser_admins_only() {
        for target in [
            DirectoryReaders,
            GuestInviter,
            PasswordAdministrator,
            MessageCenterReader,
            ReportsReader,
            UsageSummaryReportsReader,
            UserExperienceSuccessManager,
            AuthenticationAdministrator,
        ] {
            assert!(AuthenticationAdministrator.may_manage(target), "{target:?}");
        }
        for target in [
            HelpdeskAdministrator,
            GroupsAdministrator,
            UserAdministrator,
            GlobalAdministrator,
            PrivilegedAuthenticationAdministrator,
            PrivilegedRoleAdministrator,
            GlobalReader,
        ] {
            assert!(!AuthenticationAdministrator.may_manage(target), "{target:?}");
        }
        assert!(Role::ALL.iter().all(|target| PrivilegedAuthenticationAdministrator.may_manage(*target)));
    }
}
