//! `/directory/authenticationMethodDevices/hardwareOathDevices`: the inventory.

use std::io::Cursor;

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};

mod bodies;
mod filter;
mod token_file;

use bodies::{AssignToBody, BulkBody, CreateBody, UpdateBody};
use token_file::TokenFile;

use super::{
    Tag, examples,
    guard::Guard,
    hardware_oath::DeviceView,
    intake::RequestInfo,
    odata::{Entity, NoContent, Page, Paging, refuse_other_options},
    problem::Problem,
};
use crate::{
    app::{App, Attempt},
    audit::Activity,
    hardware_oath::{
        self, DeviceKey, OwnedDevice,
        import::{self, ImportReport, pskc::FileKey},
        inventory::{self, DeviceChanges, NewDevice},
    },
    id::DeviceId,
};

/// Where the inventory is, in contexts and addresses.
const COLLECTION: &str = "directory/authenticationMethodDevices/hardwareOathDevices";

impl From<OwnedDevice> for DeviceView {
    fn from(owned: OwnedDevice) -> Self {
        Self::new(owned.device, owned.owner_name.as_deref())
    }
}

#[derive(ApiResponse)]
enum Created {
    /// The token is in the inventory.
    #[oai(status = 201)]
    Device(
        Json<Entity<DeviceView>>,
        /// The address of the new token.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum AllCreated {
    /// All tokens are in the inventory, in the order of the request.
    #[oai(status = 201)]
    Devices(Json<Page<DeviceView>>),
}

/// What an import did.
#[derive(Debug, Object)]
#[oai(rename = "HardwareOathImportReport")]
struct ImportView {
    #[oai(rename = "@odata.context")]
    context: String,
    /// Tokens that are new in the inventory.
    imported: u64,
    /// Tokens that were assigned to the user the file names.
    assigned: u64,
    /// Rows or keys whose token was in the inventory already.
    skipped: u64,
    /// Rows or keys that were not, or not wholly, carried out.
    failed: Vec<FailedRowView>,
}

/// A row or key that was not, or not wholly, carried out.
#[derive(Debug, Object)]
#[oai(rename = "HardwareOathImportFailure")]
struct FailedRowView {
    /// Where the row or key begins in the file; the first line is 1.
    line: u64,
    /// What is wrong with it.
    reason: String,
}

impl ImportView {
    fn new(context: String, report: ImportReport) -> Self {
        let failed = report.failed.into_iter().map(|row| FailedRowView { line: row.line, reason: row.reason });
        Self {
            context,
            imported: report.imported as u64,
            assigned: report.assigned as u64,
            skipped: report.skipped as u64,
            failed: failed.collect(),
        }
    }
}

pub struct HardwareOathDevicesApi(pub App);

#[OpenApi(tag = "Tag::HardwareOath")]
impl HardwareOathDevicesApi {
    /// List the inventory
    ///
    /// All hardware OATH tokens of the tenant. `$filter` takes `status eq '...'` and `serialNumber eq '...'`, joined by
    /// `and`. Secrets are never shown. Needs the permission `Policy.Read.All` or
    /// `Policy.ReadWrite.AuthenticationMethod`, or the role Global Reader or Authentication Policy Administrator.
    #[oai(
        path = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices",
        method = "get",
        operation_id = "listHardwareOathDevices"
    )]
    async fn list(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Items per page, 1 to 999.
        #[oai(name = "$top")]
        top: Query<Option<u32>>,
        /// `status eq 'activated'`, `serialNumber eq '...'`, or both joined by `and`.
        #[oai(name = "$filter", example = "examples::device_filter")]
        filter: Query<Option<String>>,
        /// From `@odata.nextLink`.
        #[oai(name = "$skiptoken")]
        skip_token: Query<Option<String>>,
    ) -> Result<Json<Page<DeviceView>>, Problem> {
        refuse_other_options(&info, &["$top", "$filter", "$skiptoken"])?;
        let paging = Paging::new(top.0, skip_token.0)?;
        let filter = filter::parse(filter.0.as_deref().unwrap_or_default())?;
        let (after, limit) = (paging.after.clone().map(DeviceId::new), paging.limit());
        let read = self.0.read(guard.0, move |tx, caller| inventory::list(tx, caller, &filter, after.as_ref(), limit));
        let devices = read.await?;
        let page =
            paging.page(&self.0, &info, COLLECTION, devices, |owned| owned.device.device_id.to_string(), Into::into);
        Ok(Json(page))
    }

    /// Add a token
    ///
    /// Adds a hardware OATH token to the inventory, and assigns it at once when `assignTo` names a user (which also
    /// needs the permission to write that user's hardware tokens). Serial numbers are unique (409). Needs the
    /// permission `Policy.ReadWrite.AuthenticationMethod`, or the role Authentication Policy Administrator.
    #[oai(
        path = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices",
        method = "post",
        operation_id = "createHardwareOathDevice"
    )]
    async fn create(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<CreateBody>,
    ) -> Result<Created, Problem> {
        let device = NewDevice::from(body.0);
        let attempt = Attempt::new(Activity::CREATE_DEVICE);
        let write = self.0.write(guard.0, attempt, move |tx, caller| inventory::create(tx, caller, &device));
        let owned = write.await?;
        let location = self.0.url(&info, &format!("/{COLLECTION}/{}", owned.device.device_id));
        let context = self.0.context(&info, &format!("{COLLECTION}/$entity"));
        Ok(Created::Device(Json(Entity::new(context, owned.into())), location))
    }

    /// Add many tokens
    ///
    /// Adds up to 100 hardware OATH tokens, all or none: when one is refused, `error.target` names it
    /// (`value[3].secretKey`) and nothing was changed. Each may be assigned at once. For more, use the import.
    /// Needs the same permissions or roles as adding one.
    #[oai(
        path = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices",
        method = "patch",
        operation_id = "createManyHardwareOathDevices"
    )]
    async fn create_many(&self, guard: Guard, info: RequestInfo, body: Json<BulkBody>) -> Result<AllCreated, Problem> {
        let devices = Vec::<NewDevice>::from(body.0);
        let attempt = Attempt::new(Activity::CREATE_DEVICE);
        let write = self.0.write(guard.0, attempt, move |tx, caller| inventory::create_many(tx, caller, &devices));
        let value = write.await?.into_iter().map(Into::into).collect();
        Ok(AllCreated::Devices(Json(Page::whole(self.0.context(&info, COLLECTION), value))))
    }

    /// Import tokens from a file
    ///
    /// As `text/csv`, the file that Microsoft Entra takes: a first line with the columns `upn`, `serial number`, `secret
    /// key` (Base32), `time interval` (30 or 60), `manufacturer` and `model`, then one line per token; at most 100,000.
    /// Beyond Entra, the columns `hash function`, `otp type` (`totp` or `hotp`) and `digits` (6 or 8) may follow. As
    /// `application/pskc+xml`, a vendor's file of RFC 6030 with plain secrets. A file has at most 16 MiB; larger ones, and
    /// encrypted ones, are imported at the command line (`rekey hardware-oath import`), where their key or password stays.
    /// A token whose `upn` or `UserId` names a user is assigned to that user. Good lines and keys land, bad ones are in the
    /// report. Tokens that are in the inventory already are skipped (and assigned if they are still available), so a
    /// corrected file can be sent again. Needs the permission `Policy.ReadWrite.AuthenticationMethod`, or the role
    /// Authentication Policy Administrator; to assign, also `UserAuthenticationMethod.ReadWrite.All` or Authentication
    /// Administrator.
    #[oai(
        path = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices/import",
        method = "post",
        operation_id = "importHardwareOathDevices"
    )]
    async fn import(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: TokenFile,
    ) -> Result<Json<ImportView>, Problem> {
        let report = match body {
            TokenFile::Csv(file) => import::import_csv(&self.0, guard.0, Cursor::new(file)).await?,
            TokenFile::Pskc(file) => import::import_pskc(&self.0, guard.0, Cursor::new(file), FileKey::None).await?,
        };
        let context = self.0.context(&info, &format!("{COLLECTION}/import"));
        Ok(Json(ImportView::new(context, report)))
    }

    /// Get a token
    ///
    /// One token of the inventory, without its secret. Needs the permission `Policy.Read.All` or
    /// `Policy.ReadWrite.AuthenticationMethod`, or the role Global Reader or Authentication Policy Administrator.
    #[oai(
        path = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices/:id",
        method = "get",
        operation_id = "getHardwareOathDevice"
    )]
    async fn get(
        &self,
        guard: Guard,
        info: RequestInfo,
        /// The id of the token.
        #[oai(example = "examples::available_device")]
        id: Path<String>,
    ) -> Result<Json<Entity<DeviceView>>, Problem> {
        refuse_other_options(&info, &[])?;
        let owned = self.0.read(guard.0, move |tx, caller| inventory::get(tx, caller, &id)).await?;
        Ok(Json(Entity::new(self.0.context(&info, &format!("{COLLECTION}/$entity")), owned.into())))
    }

    /// Change a token
    ///
    /// Changes what the inventory says of a token, only while nobody has it (409). Its secret and serial number never
    /// change. Needs the permission `Policy.ReadWrite.AuthenticationMethod`, or the role Authentication Policy
    /// Administrator.
    #[oai(
        path = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices/:id",
        method = "patch",
        operation_id = "updateHardwareOathDevice"
    )]
    async fn update(
        &self,
        guard: Guard,
        /// The id of the token.
        #[oai(example = "examples::available_device")]
        id: Path<String>,
        body: Json<UpdateBody>,
    ) -> Result<NoContent, Problem> {
        let changes = DeviceChanges::try_from(body.0)?;
        let attempt = Attempt::new(Activity::UPDATE_DEVICE);
        self.0.write(guard.0, attempt, move |tx, caller| inventory::update(tx, caller, &id, &changes)).await?;
        Ok(NoContent::Done)
    }

    /// Delete a token
    ///
    /// Takes a token out of the inventory, only while nobody has it (409). Needs the permission
    /// `Policy.ReadWrite.AuthenticationMethod`, or the role Authentication Policy Administrator.
    #[oai(
        path = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices/:id",
        method = "delete",
        operation_id = "deleteHardwareOathDevice"
    )]
    async fn delete(
        &self,
        guard: Guard,
        /// The id of the token.
        #[oai(example = "examples::available_device")]
        id: Path<String>,
    ) -> Result<NoContent, Problem> {
        let attempt = Attempt::new(Activity::DELETE_DEVICE);
        self.0.write(guard.0, attempt, move |tx, caller| inventory::delete(tx, caller, &id)).await?;
        Ok(NoContent::Done)
    }

    /// Assign a token to a user
    ///
    /// The same as assigning it from the user's side; it must then be activated with a code. Needs the permission
    /// `UserAuthMethod-HardwareOATH.ReadWrite.All` or `UserAuthenticationMethod.ReadWrite.All`, or the role
    /// Authentication Administrator (Privileged Authentication Administrator for administrators).
    #[oai(
        path = "/v1.0/directory/authenticationMethodDevices/hardwareOathDevices/:id/assignTo",
        method = "post",
        operation_id = "assignHardwareOathDevice"
    )]
    async fn assign_to(
        &self,
        guard: Guard,
        /// The id of the token.
        #[oai(example = "examples::available_device")]
        id: Path<String>,
        /// Any text of your choice; the same request with the same key is carried out once.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        body: Json<AssignToBody>,
    ) -> Result<NoContent, Problem> {
        let (user, key) = (body.0.id, DeviceKey::Id(id.0));
        let attempt = Attempt::on_user(Activity::REGISTER_METHOD, &user);
        self.0.write(guard.0, attempt, move |tx, caller| hardware_oath::assign(tx, caller, &user, &key)).await?;
        Ok(NoContent::Done)
    }
}
