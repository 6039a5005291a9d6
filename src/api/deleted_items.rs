//! `/directory/deletedItems`: users that were deleted and can be restored.

use poem_openapi::OpenApi;

use super::Tag;
use crate::app::App;

pub struct DeletedItemsApi(pub App);

#[OpenApi(tag = "Tag::Users")]
impl DeletedItemsApi {}
