//! `/auditLogs/directoryAudits`.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct DirectoryAuditsApi(pub App);

#[OpenApi(tag = "Tag::Audit")]
impl DirectoryAuditsApi {}
