//! `hardwareOathMethods`: the hardware OATH tokens of a user.

use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

mod bodies;
mod query;
mod views;

use bodies::{ActivateBody, AssignAndActivateBody, AssignBody, BySerialNumberBody, ResyncBody};
use query::{Selection, TokenFilter};
pub use views::{DeviceView, HardwareOathView};

use super::{
    Tag, examples,
    guard::Guard,
    intake::RequestInfo,
    odata::{Entity, NoContent, Page, Paging, authentication_context, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    hardware_oath::{self, Activation, DeviceKey},
    id::UserId,
};

#[derive(ApiResponse)]
enum Assigned {
    /// The token is assigned. It is of no use before it is activated.
    #[oai(status = 201)]
    Token(
        Json<Entity<HardwareOathView>>,
        /// The address of the new method.
        #[oai(header = "Location")]
        String,
    ),
}

pub struct HardwareOathApi(pub App);

#[OpenApi(tag = "Tag::HardwareOath")]
impl HardwareOathApi {
    /// List hardware OATH tokens of a user
    ///
    /// The hardware tokens that are assigned to a user, activated or not. Filter with `device/status eq 'activated'`,
    /// `device/serialNumber` and `displayName` with `eq` and `startsWith`, and `id`, joined by `and`, `or`, `not` and
    /// parentheses. Needs the permission `UserAuthMethod-HardwareOATH.Read.All` or `UserAuthenticationMethod.Read.All`, or the role Global Reader or
    /// Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/hardwareOathMethods",
        method = "get",
        operation_id = "listHardwareOathMethods"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// Which tokens; see above.
        #[oai(name = "$filter")]
        filter: Query<Option<String>>,
        /// Which of `id`, `displayName`, `createdDateTime`, `lastUsedDateTime` and `device` to send; all unless given.
        #[oai(name = "$select")]
        select: Query<Option<String>>,
        /// Items per page, 1 to 999.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<HardwareOathView>>, Problem> {
        refuse_other_options(&info, &["$filter", "$select", "$top", "$skiptoken"])?;
        let paging = Paging::new(top.0, skip_token.0)?;
        let filter = TokenFilter::parse(filter.0.as_deref())?;
        let selection = Selection::parse(select.0.as_deref())?;
        let after = paging.after.clone();
        let read = self.0.read(guard.0, move |tx, caller| hardware_oath::list(tx, caller, &user, after.as_deref()));
        let (user, mut tokens) = read.await?;
        tokens.retain(|device| filter.finds(device));
        let what = authentication_context(user.user_id.as_str(), "hardwareOathMethods");
        let view = |device| HardwareOathView::new(device, &user.display_name).only(&selection);
        Ok(Json(paging.page(&self.0, &info, &what, tokens, |device| device.device_id.to_string(), view)))
    }

    /// Assign a hardware OATH token
    ///
    /// Gives a token of the inventory to a user. It must then be activated with a code. A token has one user (409
    /// otherwise); a user has at most 5 OATH tokens and authenticator apps in total, a guest none (400). Needs the
    /// permission `UserAuthMethod-HardwareOATH.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role
    /// Authentication Administrator (Privileged Authentication Administrator for administrators).
    #[oai(
        path = "/v1.0/users/:user/authentication/hardwareOathMethods",
        method = "post",
        operation_id = "assignHardwareOathMethod"
    )]
    async fn assign(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::new_hire")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<AssignBody>,
    ) -> Result<Assigned, Problem> {
        let key = DeviceKey::Id(body.0.device.id);
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let write = self.0.write(guard.0, attempt, move |tx, caller| hardware_oath::assign(tx, caller, &user, &key));
        let assigned = write.await?;
        let user = assigned.device.assigned_to.as_ref().map(UserId::as_str).unwrap_or_default().to_owned();
        let path = format!("/users/{user}/authentication/hardwareOathMethods/{}", assigned.device.device_id);
        let context = self.0.context(&info, &authentication_context(&user, "hardwareOathMethods/$entity"));
        let view = HardwareOathView::new(assigned.device, assigned.owner_name.as_deref().unwrap_or_default());
        Ok(Assigned::Token(Json(Entity::new(context, view)), self.0.url(&info, &path)))
    }

    /// Get a hardware OATH token of a user
    ///
    /// One token of a user. Needs the same permission or role as the list.
    #[oai(
        path = "/v1.0/users/:user/authentication/hardwareOathMethods/:id",
        method = "get",
        operation_id = "getHardwareOathMethod"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The id of the token.
        #[oai(example = "examples::hardware_oath")]
        id: Path<String>,
    ) -> Result<Json<Entity<HardwareOathView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let (user, device) = self.0.read(guard.0, move |tx, caller| hardware_oath::get(tx, caller, &user, &id)).await?;
        let what = authentication_context(user.user_id.as_str(), "hardwareOathMethods/$entity");
        let view = HardwareOathView::new(device, &user.display_name);
        Ok(Json(Entity::new(self.0.context(&info, &what), view)))
    }

    /// Unassign a hardware OATH token
    ///
    /// Takes a token away from a user. It goes back into the inventory and can be given to somebody else. Needs the
    /// permission `UserAuthMethod-HardwareOATH.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role
    /// Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/hardwareOathMethods/:id",
        method = "delete",
        operation_id = "unassignHardwareOathMethod"
    )]
    async fn unassign(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The id of the token.
        #[oai(example = "examples::hardware_oath")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::DELETE_METHOD, &user);
        self.0.write(guard.0, attempt, move |tx, caller| hardware_oath::unassign(tx, caller, &user, &id)).await?;
        Ok(NoContent::Done)
    }

    /// Activate a hardware OATH token
    ///
    /// Makes an assigned token usable, with the code it shows: for TOTP the one before or after is accepted too, for
    /// HOTP one of the ten behind the last. A wrong code, or one that was used before, is answered 400, sets the
    /// token's status to `failedActivation` and is counted with the wrong codes of the user's sign-ins: after five in
    /// a row there is a wait (429). Try again with the next code; if that is wrong too, `resync` helps a token that is
    /// too far off. A token that is activated already is answered 409. Needs the permission
    /// `UserAuthMethod-HardwareOATH.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role
    /// Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/hardwareOathMethods/:id/activate",
        method = "post",
        operation_id = "activateHardwareOathMethod"
    )]
    async fn activate(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The id of the token.
        #[oai(example = "examples::assigned_hardware_oath")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<ActivateBody>,
    ) -> Result<NoContent, Problem> {
        let activation = Activation::from(body.0);
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        let write = self
            .0
            .write(guard.0, attempt, move |tx, caller| hardware_oath::activate(tx, caller, &user, &id, &activation));
        write.await?.into_result()?;
        Ok(NoContent::Done)
    }

    /// Synchronize a hardware OATH token
    ///
    /// Finds a token again whose codes are not accepted any more: its button was pressed too often (HOTP, up to a
    /// thousand codes ahead) or its clock is too far off (TOTP, up to a hundred steps either way). It takes two codes
    /// that the token showed one after the other. Both are used up then, and whether the token is activated stays as it
    /// is. Clocks that are off by a little need none of this: every accepted code shows how far, up to ten steps. Wrong
    /// codes are answered 400 and counted as at the activation. Not in Graph. Needs the permission
    /// `UserAuthMethod-HardwareOATH.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role
    /// Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/hardwareOathMethods/:id/resync",
        method = "post",
        operation_id = "resyncHardwareOathMethod"
    )]
    async fn resync(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The id of the token.
        #[oai(example = "examples::assigned_hardware_oath")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<ResyncBody>,
    ) -> Result<NoContent, Problem> {
        let ResyncBody { verification_code, next_verification_code } = body.0;
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        let write = self.0.write(guard.0, attempt, move |tx, caller| {
            hardware_oath::resync(tx, caller, &user, &id, (&verification_code, &next_verification_code))
        });
        write.await?.into_result()?;
        Ok(NoContent::Done)
    }

    /// Deactivate a hardware OATH token
    ///
    /// The token stays the user's and proves nothing until it is activated again with a new code. A reset does the
    /// same. Doing it again is harmless. Needs the permission `UserAuthMethod-HardwareOATH.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/hardwareOathMethods/:id/deactivate",
        method = "post",
        operation_id = "deactivateHardwareOathMethod"
    )]
    async fn deactivate(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::user")]
        user: Path<String>,
        /// The id of the token.
        #[oai(example = "examples::hardware_oath")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::UPDATE_METHOD, &user);
        let write =
            self.0.write(guard.0, attempt, move |tx, caller| hardware_oath::deactivate_of_user(tx, caller, &user, &id));
        write.await?;
        Ok(NoContent::Done)
    }

    /// Assign and activate a hardware OATH token
    ///
    /// Gives a token of the inventory to a user and activates it with the code it shows. With a wrong code nothing is
    /// assigned (400), and the code is counted. Needs the permission `UserAuthMethod-HardwareOATH.ReadWrite.All` or
    /// `UserAuthenticationMethod.ReadWrite.All`, or the role Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/hardwareOathMethods/assignAndActivate",
        method = "post",
        operation_id = "assignAndActivateHardwareOathMethod"
    )]
    async fn assign_and_activate(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::new_hire")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<AssignAndActivateBody>,
    ) -> Result<NoContent, Problem> {
        let AssignAndActivateBody { device, verification_code, display_name } = body.0;
        let activation = Activation { verification_code, display_name };
        self.assign_and_activate_key(guard, user.0, DeviceKey::Id(device.id), activation).await
    }

    /// Assign and activate by serial number
    ///
    /// The same, with the serial number that is printed on the token instead of its id. Needs the permission
    /// `UserAuthMethod-HardwareOATH.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role
    /// Authentication Administrator.
    #[oai(
        path = "/v1.0/users/:user/authentication/hardwareOathMethods/assignAndActivateBySerialNumber",
        method = "post",
        operation_id = "assignAndActivateHardwareOathMethodBySerialNumber"
    )]
    async fn assign_and_activate_by_serial_number(
        &self,
        guard: Guard,
        /// The user's id or userPrincipalName.
        #[oai(example = "examples::new_hire")]
        user: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<BySerialNumberBody>,
    ) -> Result<NoContent, Problem> {
        let BySerialNumberBody { serial_number, verification_code, display_name } = body.0;
        let activation = Activation { verification_code, display_name };
        self.assign_and_activate_key(guard, user.0, DeviceKey::SerialNumber(serial_number), activation).await
    }
}

impl HardwareOathApi {
    async fn assign_and_activate_key(
        &self,
        guard: Guard,
        user: String,
        device: DeviceKey,
        activation: Activation,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        let write = self.0.write(guard.0, attempt, move |tx, caller| {
            hardware_oath::assign_and_activate(tx, caller, &user, &device, &activation)
        });
        write.await?.into_result()?;
        Ok(NoContent::Done)
    }
}
