//! What is sent and shown of access assignments.

use poem_openapi::{Object, types::Example};

use crate::{
    api::{examples, odata::etag, relationships::bodies::AccessDetails, strict_json::text},
    error::{Error, Result},
    partners::assignments::NewAssignment,
    roles::Role,
    store::relationships::{assignments::AccessAssignment, requests::RelationshipOperation},
};

/// Whom roles are given to.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminAccessContainer", rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// The client id of one of the partner's applications, or the id of one of its users.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    access_container_id: String,
    /// `application` or `user`.
    #[oai(validator(max_length = 64), deserialize_with = "text")]
    access_container_type: String,
}

/// Who of the partner shall use which roles.
#[derive(Debug, Object)]
#[oai(rename = "NewDelegatedAdminAccessAssignment", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct AssignmentBody {
    access_container: Container,
    access_details: AccessDetails,
}

impl Example for AssignmentBody {
    fn example() -> Self {
        Self {
            access_container: Container {
                access_container_id: examples::engineer(),
                access_container_type: "user".into(),
            },
            access_details: AccessDetails::of(&[Role::AuthenticationAdministrator]),
        }
    }
}

impl From<AssignmentBody> for NewAssignment {
    fn from(body: AssignmentBody) -> Self {
        Self {
            container_id: body.access_container.access_container_id,
            container_type: body.access_container.access_container_type,
            roles: body.access_details.into_ids(),
        }
    }
}

/// The roles that take the place of the present ones.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminAccessAssignmentUpdate", rename_all = "camelCase", deny_unknown_fields, example)]
pub struct AssignmentUpdateBody {
    access_details: AccessDetails,
}

impl Example for AssignmentUpdateBody {
    fn example() -> Self {
        Self { access_details: AccessDetails::of(&[Role::GlobalReader]) }
    }
}

impl AssignmentUpdateBody {
    pub fn into_ids(self) -> Vec<String> {
        self.access_details.into_ids()
    }
}

/// Who of the partner uses which of a relationship's roles.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminAccessAssignment", rename_all = "camelCase")]
pub struct AssignmentView {
    /// Changes whenever the assignment does; for the header If-Match.
    #[oai(rename = "@odata.etag")]
    etag: String,
    id: String,
    access_container: Container,
    access_details: AccessDetails,
    /// Always `active`; it counts while the relationship is.
    status: String,
    created_date_time: String,
    last_modified_date_time: String,
}

impl AssignmentView {
    pub fn id(&self) -> String {
        self.id.clone()
    }
}

impl TryFrom<AccessAssignment> for AssignmentView {
    type Error = Error;

    fn try_from(assignment: AccessAssignment) -> Result<Self> {
        Ok(Self {
            etag: etag::of_version(assignment.version),
            id: assignment.assignment_id.into_string(),
            access_container: Container {
                access_container_id: assignment.container_id,
                access_container_type: assignment.container_type.as_str().into(),
            },
            access_details: AccessDetails::stored(&assignment.roles)?,
            status: "active".into(),
            created_date_time: assignment.created_at.to_iso(),
            last_modified_date_time: assignment.modified_at.to_iso(),
        })
    }
}

/// What became of a change.
#[derive(Debug, Object)]
#[oai(rename = "DelegatedAdminRelationshipOperation", rename_all = "camelCase")]
pub struct OperationView {
    id: String,
    /// `delegatedAdminAccessAssignmentUpdate`.
    operation_type: String,
    /// JSON as a text: what was asked for.
    data: String,
    /// Always `succeeded`.
    status: String,
    created_date_time: String,
    last_modified_date_time: String,
}

impl OperationView {
    pub fn id(&self) -> String {
        self.id.clone()
    }
}

impl From<RelationshipOperation> for OperationView {
    fn from(operation: RelationshipOperation) -> Self {
        Self {
            id: operation.operation_id.into_string(),
            operation_type: operation.operation_type,
            data: operation.data,
            status: "succeeded".into(),
            created_date_time: operation.created_at.to_iso(),
            last_modified_date_time: operation.created_at.to_iso(),
        }
    }
}
