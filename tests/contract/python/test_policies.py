"""The tenant's policies. Tests put back what they change: other tests live in the same tenant."""

import pytest
from msgraph.generated.models.authentication_method_state import AuthenticationMethodState
from msgraph.generated.models.authentication_methods_policy import AuthenticationMethodsPolicy
from msgraph.generated.models.email_authentication_method_configuration import EmailAuthenticationMethodConfiguration
from msgraph.generated.models.fido2_authentication_method_configuration import Fido2AuthenticationMethodConfiguration
from msgraph.generated.models.identity_security_defaults_enforcement_policy import (
    IdentitySecurityDefaultsEnforcementPolicy,
)
from msgraph.generated.models.microsoft_authenticator_authentication_method_configuration import (
    MicrosoftAuthenticatorAuthenticationMethodConfiguration,
)
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.sms_authentication_method_configuration import SmsAuthenticationMethodConfiguration
from msgraph.generated.models.software_oath_authentication_method_configuration import (
    SoftwareOathAuthenticationMethodConfiguration,
)
from msgraph.generated.models.temporary_access_pass_authentication_method_configuration import (
    TemporaryAccessPassAuthenticationMethodConfiguration,
)
from msgraph.generated.models.voice_authentication_method_configuration import VoiceAuthenticationMethodConfiguration
from msgraph_beta.generated.models.hardware_oath_authentication_method_configuration import (
    HardwareOathAuthenticationMethodConfiguration,
)

CLASSES = {
    "Email": EmailAuthenticationMethodConfiguration,
    "Fido2": Fido2AuthenticationMethodConfiguration,
    "MicrosoftAuthenticator": MicrosoftAuthenticatorAuthenticationMethodConfiguration,
    "Sms": SmsAuthenticationMethodConfiguration,
    "SoftwareOath": SoftwareOathAuthenticationMethodConfiguration,
    "TemporaryAccessPass": TemporaryAccessPassAuthenticationMethodConfiguration,
    "Voice": VoiceAuthenticationMethodConfiguration,
}


@pytest.fixture
def policy(graph):
    return graph.policies.authentication_methods_policy


def configuration(policy, name: str):
    return policy.authentication_method_configurations.by_authentication_method_configuration_id(name)


async def test_every_configuration_is_its_own_class(policy):
    read = await policy.get()
    assert isinstance(read, AuthenticationMethodsPolicy) and read.id == "authenticationMethodsPolicy"
    classes = {it.id: type(it) for it in read.authentication_method_configurations}
    assert CLASSES.items() <= classes.items()
    for name, expected in CLASSES.items():
        one = await configuration(policy, name).get()
        assert isinstance(one, expected)
        assert one.state in (AuthenticationMethodState.Enabled, AuthenticationMethodState.Disabled)
    # Their names are written in any case.
    assert isinstance(await configuration(policy, "fido2").get(), Fido2AuthenticationMethodConfiguration)


async def test_hardware_tokens_in_the_beta(beta):
    one = await configuration(beta.policies.authentication_methods_policy, "HardwareOath").get()
    assert isinstance(one, HardwareOathAuthenticationMethodConfiguration)


async def test_a_configuration_changes_and_reverts(policy):
    passes = configuration(policy, "TemporaryAccessPass")
    before = await passes.get()
    await passes.patch(TemporaryAccessPassAuthenticationMethodConfiguration(default_lifetime_in_minutes=90))
    changed = await passes.get()
    assert changed.default_lifetime_in_minutes == 90
    assert changed.maximum_lifetime_in_minutes == before.maximum_lifetime_in_minutes
    await passes.delete()
    assert (await passes.get()).default_lifetime_in_minutes == 60


async def test_a_configuration_of_another_kind_is_refused(policy):
    with pytest.raises(ODataError) as refused:
        await configuration(policy, "Sms").patch(Fido2AuthenticationMethodConfiguration(is_attestation_enforced=True))
    assert refused.value.response_status_code == 400


async def test_the_policy_changes(policy):
    body = AuthenticationMethodsPolicy(additional_data={"mfaResetApproval": {"userThreshold": 1000}})
    answer = await policy.patch(body)
    assert isinstance(answer, AuthenticationMethodsPolicy) and answer.id == "authenticationMethodsPolicy"
    assert (await policy.get()).additional_data["mfaResetApproval"]["userThreshold"] == 1000
    await policy.patch(AuthenticationMethodsPolicy(additional_data={"mfaResetApproval": None}))


async def test_security_defaults(graph):
    defaults = graph.policies.identity_security_defaults_enforcement_policy
    before = (await defaults.get()).is_enabled
    await defaults.patch(IdentitySecurityDefaultsEnforcementPolicy(is_enabled=not before))
    assert (await defaults.get()).is_enabled is not before
    await defaults.patch(IdentitySecurityDefaultsEnforcementPolicy(is_enabled=before))
    assert (await defaults.get()).is_enabled is before
