//! Making tenants. A tenant is born with its signing key and the first event of its audit chain.

use serde::{Deserialize, Serialize};

use crate::{
    access::{self, Caller},
    audit::{self, Activity, Entry, Target},
    directory,
    error::{Error, Result},
    id::TenantId,
    store::{
        Tx, keys,
        tenants::{self, RegistrationProof, Tenant},
    },
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTenant {
    pub tenant_id: TenantId,
    pub display_name: String,
    pub default_domain: String,
    pub is_partner: bool,
    pub is_demo: bool,
}

/// Makes the tenant that `caller` (the operator of this server) speaks for. Security defaults are on: its users must
/// use MFA until somebody decides otherwise.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, new: &NewTenant) -> Result<Tenant> {
    directory::check_text("name", &new.display_name, 256)?;
    let default_domain = parse_domain(&new.default_domain)?;
    if tenants::find_by_name(tx, &default_domain)?.is_some() {
        return Err(Error::conflict(format!("The domain {default_domain} belongs to another tenant.")));
    }
    let tenant = Tenant {
        tenant_id: new.tenant_id.clone(),
        display_name: new.display_name.clone(),
        default_domain,
        is_partner: new.is_partner,
        is_demo: new.is_demo,
        security_defaults_enabled: true,
        created_at: tx.now(),
        registration_proof: RegistrationProof::FirstFactor,
        mfa_reset_approval_threshold: None,
    };
    tenants::insert(tx, &tenant)?;
    keys::create(tx, &tenant.tenant_id)?;
    let actor = access::identify(tx, caller)?;
    let target = Target::object("Organization", &tenant.tenant_id, &tenant.display_name);
    let entry = Entry::success(Activity::CREATE_TENANT, target)
        .modified("DefaultDomain", None::<()>, &tenant.default_domain)
        .modified("IsPartner", None::<()>, tenant.is_partner);
    audit::record(tx, &actor, entry)?;
    Ok(tenant)
}

/// A host name of at least two labels (RFC 1123 section 2.1), lower-cased.
fn parse_domain(text: &str) -> Result<String> {
    let domain = text.to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label) {
        return Ok(domain);
    }
    Err(Error::invalid("domain", "A domain is written like contoso.com."))
}

#[cfg(test)]
mod tests {
    use super::parse_domain;

    #[test]
    fn domains() {
        assert_eq!(parse_domain("Contoso.Example").unwrap(), "contoso.example");
        for wrong in ["", "contoso", "con toso.com", "-a.com", "a..com", "a.com/", "ä.com", &"a".repeat(300)] {
            assert!(parse_domain(wrong).is_err(), "{wrong}");
        }
    }
}
