//! Who calls, and whether they may do what they ask: [`rules`] is the decision table, [`own`] what users may do to themselves.
//!
//! A token only says who calls. What the caller may do is read anew in every transaction, so a withdrawn permission,
//! secret, role or session takes effect on the next call, on every replica.

mod caller;
mod own;
pub mod partner;
mod rules;

use crate::{
    error::{Area, Error, Result},
    id::{ApplicationId, RelationshipId, SessionId, TenantId, TrustedIssuerId, UserId},
    roles::Role,
    store::{
        Tx, applications, roles, tenants, trusted_issuers,
        users::{self, Presence, User},
    },
};

pub use caller::{Caller, Origin, Scope, Who};
use rules::Rule;
pub use rules::{Action, known_permissions};

/// A caller who was found alive, with the permissions or roles of this moment.
#[derive(Debug, Clone)]
pub struct Actor {
    pub tenant: TenantId,
    pub powers: Powers,
    pub display_name: String,
    pub principal_name: Option<String>,
    pub origin: Origin,
}

#[derive(Debug, Clone)]
pub enum Powers {
    Application { id: ApplicationId, permissions: Vec<String> },
    User { id: UserId, roles: Vec<Role>, scope: Scope },
    Operator,
    Partner(Partner),
}

/// Somebody of a partner, with what active relationships give him in the customer's tenant.
#[derive(Debug, Clone)]
pub struct Partner {
    pub home: TenantId,
    pub home_display_name: String,
    /// The application or user, as the partner's own tenant knows it.
    pub who: Box<Powers>,
    pub relationships: Vec<RelationshipId>,
    pub roles: Vec<Role>,
}

impl Powers {
    /// The application's or user's id.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Application { id, .. } => Some(id.as_str()),
            Self::User { id, .. } => Some(id.as_str()),
            Self::Operator => None,
            Self::Partner(partner) => partner.who.id(),
        }
    }

    pub fn is_user(&self) -> bool {
        match self {
            Self::User { .. } => true,
            Self::Application { .. } | Self::Operator => false,
            Self::Partner(partner) => partner.who.is_user(),
        }
    }
}

impl Actor {
    /// Rekey itself, which does what is due by the clock.
    pub fn rekey(tenant: TenantId, request_id: String) -> Self {
        Self {
            tenant,
            powers: Powers::Operator,
            display_name: "Rekey".into(),
            principal_name: None,
            origin: Origin { client_request_id: request_id.clone(), request_id, ..Origin::default() },
        }
    }

    pub fn id(&self) -> Option<&str> {
        self.powers.id()
    }

    /// Whether the user acts on himself.
    pub fn is(&self, user: &User) -> bool {
        matches!(&self.powers, Powers::User { id, .. } if *id == user.user_id)
    }

    /// The session whose outcome the user acts with.
    pub fn session(&self) -> Option<&SessionId> {
        match &self.powers {
            Powers::User { scope: Scope::Own { session, .. }, .. } => session.as_ref(),
            Powers::User { .. } | Powers::Application { .. } | Powers::Operator | Powers::Partner(_) => None,
        }
    }

    /// An Authentication Administrator reads methods in restricted form: numbers are masked.
    pub fn sees_full_numbers(&self) -> bool {
        match &self.powers {
            Powers::Application { .. } | Powers::Operator => true,
            Powers::User { roles, .. } | Powers::Partner(Partner { roles, .. }) => roles
                .iter()
                .any(|role| matches!(role, Role::GlobalAdministrator | Role::PrivilegedAuthenticationAdministrator)),
        }
    }
}

/// Finds the caller alive: the application enabled and its secret valid, the user enabled and not signed out since.
pub fn identify(tx: &mut Tx<'_>, caller: &Caller) -> Result<Actor> {
    let actor = |powers, display_name, principal_name| Actor {
        tenant: caller.tenant.clone(),
        powers,
        display_name,
        principal_name,
        origin: caller.origin.clone(),
    };
    match &caller.who {
        Who::Operator => Ok(actor(Powers::Operator, "rekey command line".into(), None)),
        Who::Partner { home, who } => {
            let at_home = identify(tx, &Caller { tenant: home.clone(), who: (**who).clone(), ..caller.clone() })?;
            let granted = partner::granted(tx, home, &caller.tenant, who.id())?;
            if granted.roles.is_empty() {
                return Err(Error::unauthenticated(NO_RELATIONSHIP));
            }
            partner::check_scope(&at_home)?;
            let home_display_name = tenants::find(tx, home)?.map(|tenant| tenant.display_name).unwrap_or_default();
            Ok(partner::in_tenant(&at_home, &home_display_name, &caller.tenant, granted))
        }
        Who::Application { id, secret_id, permissions, trusted_issuer } => {
            check_trust_stands(tx, &caller.tenant, trusted_issuer.as_ref())?;
            let withdrawn = || {
                Error::unauthenticated(
                    "The application or the credential that obtained this token was removed, disabled or has expired.",
                )
            };
            let application =
                applications::find(tx, &caller.tenant, id)?.filter(|found| found.is_enabled).ok_or_else(withdrawn)?;
            if !application.is_proven_by(secret_id, tx.now()) {
                return Err(withdrawn());
            }
            let permissions =
                permissions.iter().filter(|name| application.permissions.contains(name)).cloned().collect();
            Ok(actor(Powers::Application { id: id.clone(), permissions }, application.display_name, None))
        }
        Who::User { id, token_issued_at, scope, trusted_issuer } => {
            check_trust_stands(tx, &caller.tenant, trusted_issuer.as_ref())?;
            let user = users::find_by_id(tx, &caller.tenant, id, Presence::Present)?
                .filter(|user| user.account_enabled && *token_issued_at >= user.sessions_valid_from)
                .ok_or_else(|| {
                    Error::unauthenticated("The user was removed, disabled or signed out since this token was issued.")
                })?;
            if trusted_issuer.is_some() {
                own::check_nothing_is_demanded(tx, &user)?;
            }
            let roles = match scope {
                Scope::Roles => roles_of(tx, &caller.tenant, id)?,
                Scope::Own { session, .. } => {
                    session.iter().try_for_each(|session| own::check_outcome_stands(tx, &user, session))?;
                    vec![]
                }
                Scope::Registration { session } => {
                    own::check_registration_is_open(tx, &user, session)?;
                    vec![]
                }
            };
            let powers = Powers::User { id: id.clone(), roles, scope: scope.clone() };
            Ok(actor(powers, user.display_name, Some(user.user_principal_name)))
        }
    }
}

/// A token of an outside issuer is good as long as the tenant trusts it.
fn check_trust_stands(tx: &mut Tx<'_>, tenant: &TenantId, issuer: Option<&TrustedIssuerId>) -> Result<()> {
    match issuer {
        Some(id) if trusted_issuers::find(tx, tenant, id)?.is_none() => {
            Err(Error::unauthenticated("The tenant does not trust the issuer of this token any more."))
        }
        _ => Ok(()),
    }
}

/// Said to whoever has nothing (any more) to do with a tenant, so it must not say whether the tenant exists.
pub const NO_RELATIONSHIP: &str = "No active relationship gives this application or user of a partner a role in this tenant; ask the partner's administrator for an access assignment, or the customer for a new relationship.";
const ONLY_REGISTERS: &str = "A registration token registers the user's own methods and does nothing else.";

/// A caller by name only, without any power: for the record of what was begun when he still had some.
pub fn named(caller: &Caller, display_name: &str) -> Actor {
    let powers = match &caller.who {
        Who::User { id, scope, .. } => Powers::User { id: id.clone(), roles: vec![], scope: scope.clone() },
        Who::Application { id, .. } => Powers::Application { id: id.clone(), permissions: vec![] },
        Who::Operator => Powers::Operator,
        Who::Partner { who, .. } => return named(&Caller { who: (**who).clone(), ..caller.clone() }, display_name),
    };
    Actor {
        tenant: caller.tenant.clone(),
        powers,
        display_name: display_name.to_owned(),
        principal_name: None,
        origin: caller.origin.clone(),
    }
}

/// For the little that every caller of a tenant may do: all but whoever is only registering.
pub fn authorize_anybody(tx: &mut Tx<'_>, caller: &Caller) -> Result<Actor> {
    let actor = identify(tx, caller)?;
    match &actor.powers {
        Powers::User { scope: Scope::Registration { .. }, .. } => {
            Err(Error::Denied { area: Area::Directory, inner: "scopeTooNarrow", message: ONLY_REGISTERS.into() })
        }
        Powers::User { .. } | Powers::Application { .. } | Powers::Operator | Powers::Partner(_) => Ok(actor),
    }
}

/// The one gate: every rule passes here before it reads or changes anything. `target` is the user acted on.
pub fn authorize(tx: &mut Tx<'_>, caller: &Caller, action: Action, target: Option<&User>) -> Result<Actor> {
    let actor = identify(tx, caller)?;
    allow(tx, &actor, action, target)?;
    Ok(actor)
}

/// The decision itself, for an actor who was already identified.
pub fn allow(tx: &mut Tx<'_>, actor: &Actor, action: Action, target: Option<&User>) -> Result<()> {
    if let (Powers::User { id, scope, .. }, Some(target)) = (&actor.powers, target)
        && target.user_id == *id
        && own::may_on_own(tx, target, scope, action)?
    {
        return Ok(());
    }
    let rule = rules::rule(action);
    check_powers(actor, &rule)?;
    match target {
        Some(target) if rule.sensitive && has_roles(actor) => {
            let held = roles_of(tx, &actor.tenant, &target.user_id)?;
            check_target(actor, &rule, target, &held)
        }
        _ => Ok(()),
    }
}

/// The same decision about many users of one tenant, in one query. Never about what users may do to themselves.
pub fn allow_each(tx: &mut Tx<'_>, actor: &Actor, action: Action, targets: &[User]) -> Result<Vec<Result<()>>> {
    let rule = rules::rule(action);
    check_powers(actor, &rule)?;
    if !rule.sensitive || !has_roles(actor) {
        return Ok(targets.iter().map(|_| Ok(())).collect());
    }
    let ids: Vec<_> = targets.iter().map(|target| &target.user_id).collect();
    let held = roles::of_users(tx, &actor.tenant, &ids)?;
    let decide = |target: &User| {
        let held = held.iter().filter(|assignment| assignment.user_id == target.user_id);
        let held: Vec<_> = held.filter_map(|assignment| Role::parse(&assignment.role_id)).collect();
        check_target(actor, &rule, target, &held)
    };
    Ok(targets.iter().map(decide).collect())
}

/// Whether what the actor may do depends on roles.
fn has_roles(actor: &Actor) -> bool {
    matches!(actor.powers, Powers::User { .. } | Powers::Partner(_))
}

/// Whether the actor may do this at all.
fn check_powers(actor: &Actor, rule: &Rule) -> Result<()> {
    let denied = |inner, message| Err(Error::Denied { area: rule.area, inner, message });
    let roles = match &actor.powers {
        Powers::Operator => return Ok(()),
        Powers::Partner(_) if rule.own_tenant_only => {
            let message =
                "A partner who acts in a customer's tenant cannot do this there; use a token of the own tenant.";
            return denied("ownTenantOnly", message.into());
        }
        Powers::Application { permissions, .. } => {
            if rule.permissions.iter().any(|name| permissions.iter().any(|held| held == name)) {
                return Ok(());
            }
            let message = match rule.permissions.join(" or ") {
                none if none.is_empty() => "Only the user himself may do this, with the outcome of a sign-in.".into(),
                names => format!(
                    "Application '{}' lacks a permission for this: grant it {names} and request a new token.",
                    actor.display_name
                ),
            };
            return denied("missingPermission", message);
        }
        Powers::User { scope: Scope::Own { mfa: false, .. }, .. } => {
            let message = "This sign-in was completed without multifactor authentication; sign in with a second factor \
                           or a temporary access pass.";
            return denied("scopeTooNarrow", message.into());
        }
        Powers::User { scope: Scope::Own { mfa: true, .. }, .. } => {
            return denied("scopeTooNarrow", "A sign-in lets users manage their own methods only.".into());
        }
        Powers::User { scope: Scope::Registration { .. }, .. } => {
            return denied("scopeTooNarrow", ONLY_REGISTERS.into());
        }
        Powers::User { scope: Scope::Roles, roles, .. } | Powers::Partner(Partner { roles, .. }) => roles,
    };
    if roles.iter().any(|role| rule.roles.contains(role)) {
        return Ok(());
    }
    let names: Vec<_> = rule.roles.iter().map(|role| role.display_name()).collect();
    let message = match names.join(", ") {
        none if none.is_empty() => match rule.permissions.join(" or ") {
            none if none.is_empty() => "Only the user himself may do this, with the outcome of a sign-in.".into(),
            permissions => format!("No directory role allows this; it takes an application with {permissions}."),
        },
        names => format!("One of these roles is needed: {names}."),
    };
    denied("missingRole", message)
}

/// Whether an actor with roles may do this to a user who holds the roles `held`.
fn check_target(actor: &Actor, rule: &Rule, target: &User, held: &[Role]) -> Result<()> {
    let denied = |inner, message| Err(Error::Denied { area: rule.area, inner, message });
    if actor.is(target) {
        let message = "Administrators cannot do this to themselves; ask another administrator.";
        return denied("notOnYourself", message.into());
    }
    let (Powers::User { roles, .. } | Powers::Partner(Partner { roles, .. })) = &actor.powers else { return Ok(()) };
    // Only a role that allows the action counts: who may reset a helpdesk's password need not manage its methods.
    let fit: Vec<_> = roles.iter().filter(|role| rule.roles.contains(role)).collect();
    match held.iter().find(|held| !fit.iter().any(|role| role.may_manage(**held))) {
        None => Ok(()),
        Some(held) => denied(
            "targetTooPrivileged",
            format!(
                "The user holds the role {}; only a Privileged Authentication Administrator or Global Administrator may do this.",
                held.display_name()
            ),
        ),
    }
}

fn roles_of(tx: &mut Tx<'_>, tenant: &TenantId, user: &UserId) -> Result<Vec<Role>> {
    let assigned = roles::of_user(tx, tenant, user)?;
    Ok(assigned.iter().filter_map(|assignment| Role::parse(&assignment.role_id)).collect())
}
