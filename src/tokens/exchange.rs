//! OAuth 2.0 token exchange (RFC 8693): a user of a partner shows the access token of his own tenant at a customer's token
//! endpoint, and gets one that is good there.

use secrecy::SecretString;

use super::{
    Claims, Issuer,
    client_credentials::{Granted, Refusal},
};
use crate::{
    access::{self, Origin, partner},
    error::{Error, Result},
    store::{Tx, tenants},
};

/// RFC 8693 section 2.1.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8693 section 3; the only type of token that is taken and given.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Who asks for a token, and where.
#[derive(Debug, Clone)]
pub struct ExchangeRequest {
    /// The customer's id or default domain.
    pub tenant: String,
    /// The user's own access token.
    pub subject_token: SecretString,
}

/// Issues a token in the customer's tenant to the user whom the verified token `own` speaks of. Changes nothing.
pub fn exchange(tx: &mut Tx<'_>, issuer: &Issuer, tenant: &str, own: &Claims) -> Result<Result<Granted, Refusal>> {
    let Some(customer) = tenants::find_by_name(tx, tenant)? else { return Ok(Err(Refusal::UnknownTenant)) };
    let customer = customer.tenant_id;
    // Neither what a sign-in ends with, nor a token that was exchanged before.
    let has_own_roles = own.idtyp == "user" && own.scp.is_none() && own.partner_tid.is_none();
    if !has_own_roles || own.tid == customer {
        return Ok(Err(Refusal::InvalidSubject));
    }
    match own.caller(Origin::default(), None).and_then(|caller| access::identify(tx, &caller)) {
        Ok(_) => {}
        Err(Error::Unauthenticated { .. }) => return Ok(Err(Refusal::InvalidSubject)),
        Err(error) => return Err(error),
    }
    let granted = partner::granted(tx, &own.tid, &customer, &own.oid)?;
    if granted.roles.is_empty() {
        return Ok(Err(Refusal::UserNotAssigned));
    }
    let (access_token, expires_in) = issuer.for_user_of_partner(tx, &customer, own, &granted.roles)?;
    Ok(Ok(Granted { tenant: customer, caller: own.oid.clone(), access_token, expires_in, once: None }))
}
