//! Providers outside that would prove users: Graph's `externalAuthenticationMethodConfiguration`.

use url::Url;
use uuid::Uuid;

use super::{
    ConfigurationChange, Named, TargetRequest,
    configurations::{apply_common, document, refuse_rest},
    differences, save, set, subject,
};
use crate::{
    access::{self, Action, Caller},
    audit::{Activity, Entry},
    directory,
    error::{Area, Error, Result},
    id::TenantId,
    methods::policy::{Configuration, ExternalConfiguration, MethodsPolicy, OpenIdConnect, State},
    store::Tx,
};

/// The most providers of a tenant.
pub const MAX_PROVIDERS: usize = 20;
/// The longest display name and the longest client id, in characters.
const MAX_NAME_LENGTH: usize = 256;
const MAX_URL_LENGTH: usize = 2_048;

/// A provider to add.
#[derive(Debug, Clone)]
pub struct NewExternal {
    /// Disabled unless it says otherwise.
    pub state: Option<State>,
    /// Everybody unless it says otherwise.
    pub include_targets: Option<Vec<TargetRequest>>,
    pub exclude_targets: Option<Vec<TargetRequest>>,
    pub display_name: String,
    pub app_id: String,
    pub client_id: String,
    pub discovery_url: String,
}

/// What to change of how a provider is asked; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct OpenIdConnectChange {
    pub client_id: Option<String>,
    pub discovery_url: Option<String>,
}

/// Adds a provider; the policy, and the provider's id.
pub fn create(tx: &mut Tx<'_>, caller: &Caller, new: &NewExternal) -> Result<(String, MethodsPolicy)> {
    let actor = access::authorize(tx, caller, Action::WriteAuthenticationPolicy, None)?;
    let mut policy = MethodsPolicy::of(tx, &caller.tenant)?;
    if policy.external.len() >= MAX_PROVIDERS {
        let message =
            format!("A tenant has at most {MAX_PROVIDERS} external configurations; delete one of them first.");
        return Err(Error::Invalid { area: Area::Methods, target: None, message });
    }
    let mut configuration = ExternalConfiguration {
        id: tx.guid(),
        common: Configuration { state: new.state.unwrap_or(State::Disabled), ..Configuration::default() },
        display_name: new.display_name.clone(),
        app_id: new.app_id.clone(),
        open_id_connect_setting: OpenIdConnect {
            client_id: new.client_id.clone(),
            discovery_url: new.discovery_url.clone(),
        },
    };
    let mut targets = ConfigurationChange {
        include_targets: new.include_targets.clone(),
        exclude_targets: new.exclude_targets.clone(),
        ..ConfigurationChange::default()
    };
    apply_common(tx, &caller.tenant, None, &mut configuration.common, &mut targets)?;
    check(&policy, &mut configuration)?;
    let id = configuration.id.clone();
    policy.external.push(configuration);
    let added = document(&policy, &Named::External(id.clone()))?;
    let entry = Entry::success(Activity::UPDATE_METHODS_POLICY, subject());
    let entry = differences(entry, &id, &serde_json::Value::Null, &added);
    save(tx, &actor, &policy, entry)?;
    Ok((id, policy))
}

/// Changes a provider.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    policy: &mut MethodsPolicy,
    id: &str,
    mut change: ConfigurationChange,
) -> Result<()> {
    let others = policy.clone();
    let Some(configuration) = policy.external.iter_mut().find(|configuration| configuration.id == id) else {
        return Err(Error::method_not_found(id));
    };
    apply_common(tx, tenant, None, &mut configuration.common, &mut change)?;
    set(&mut configuration.display_name, change.display_name.take());
    set(&mut configuration.app_id, change.app_id.take());
    if let Some(OpenIdConnectChange { client_id, discovery_url }) = change.open_id_connect_setting.take() {
        set(&mut configuration.open_id_connect_setting.client_id, client_id);
        set(&mut configuration.open_id_connect_setting.discovery_url, discovery_url);
    }
    check(&others, configuration)?;
    refuse_rest(id, &change)
}

/// Refuses a provider that could not be told from the others or could not be asked.
fn check(policy: &MethodsPolicy, configuration: &mut ExternalConfiguration) -> Result<()> {
    let setting = &configuration.open_id_connect_setting;
    for (name, text) in
        [("displayName", &configuration.display_name), ("openIdConnectSetting/clientId", &setting.client_id)]
    {
        directory::check_text(name, text, MAX_NAME_LENGTH)?;
        if text.trim().is_empty() {
            return Err(Error::invalid(name, format!("{name} must not be empty.")));
        }
    }
    let name = configuration.display_name.to_lowercase();
    let is_same =
        |other: &ExternalConfiguration| other.id != configuration.id && other.display_name.to_lowercase() == name;
    if policy.external.iter().any(is_same) {
        return Err(Error::invalid("displayName", "Another external configuration has this name."));
    }
    let app_id = Uuid::try_parse(&configuration.app_id)
        .map_err(|_| Error::invalid("appId", "The appId is the GUID of the provider's application."))?;
    configuration.app_id = app_id.to_string();
    check_url(&setting.discovery_url)
}

fn check_url(text: &str) -> Result<()> {
    let refused = |message: &str| Err(Error::invalid("openIdConnectSetting/discoveryUrl", message));
    if text.len() > MAX_URL_LENGTH {
        return refused("A discoveryUrl has at most 2048 characters.");
    }
    match Url::parse(text) {
        Ok(url)
            if url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none() =>
        {
            Ok(())
        }
        _ => refused("The discoveryUrl is the https address of the provider's discovery document."),
    }
}

#[cfg(test)]
mod tests {
    use super::check_url;

    #[test]
    fn providers_are_asked_over_tls() {
        check_url("https://login.adatum.example/v2.0/.well-known/openid-configuration").unwrap();
        for wrong in
            ["", "adatum", "http://login.adatum.example/", "https://me:secret@adatum.example/", "ftp://x.example"]
        {
            assert!(check_url(wrong).is_err(), "{wrong}");
        }
    }
}
