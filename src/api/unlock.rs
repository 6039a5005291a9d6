//! `unlock`: the end of the limits on guessing for one user.

use poem_openapi::{
    OpenApi,
    param::{Header, Path},
};

use super::{Tag, examples, guard::Guard, odata::NoContent, problem::Problem};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    methods::unlock,
};

pub struct UnlockApi(pub App);

#[OpenApi(tag = "Tag::Methods")]
impl UnlockApi {
    /// Unlock a user
    ///
    /// Forgets every wrong password, code, pass and push request, so that the user may try again at once; after a
    /// hundred failures in a row nothing else helps. `lockouts` of the user's `requirements` show where the user
    /// stands. Needs the permission `MfaReset.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role
    /// Authentication Administrator (Privileged Authentication Administrator for administrators); not for oneself.
    #[oai(path = "/v1.0/users/:user/authentication/unlock", method = "post", operation_id = "unlockUser")]
    async fn unlock(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::UNLOCK, &user);
        self.0.write(guard.0, attempt, move |tx, caller| unlock::unlock(tx, caller, &user)).await?;
        Ok(NoContent::Done)
    }
}
