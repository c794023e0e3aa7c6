"""What the flows by mail plug in."""

from gql_auth.features.links.core import MailTokenRejected
from gql_auth.features.recovery import errands
from gql_auth.features.recovery.core import ConfirmationRequired
from gql_auth.features.recovery.graph import (
    ConfirmationRequiredType,
    MailTokenRejectedType,
    RecoveryMutation,
)
from gql_auth.features.recovery.linking import LinkMails
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Feature
from gql_auth.kernel.settings import Settings

feature = Feature(
    name="recovery",
    services={
        LinkMails: lambda parts, _unit, _connection: LinkMails(
            parts.part(Settings), parts.part(Clock)
        ),
    },
    mutations=(RecoveryMutation,),
    refusals={
        MailTokenRejected: MailTokenRejectedType,
        ConfirmationRequired: ConfirmationRequiredType,
    },
    errands={
        "verify-email": errands.verify_email,
        "signup": errands.signup,
        "forgot-password": errands.forgot_password,
        "magic-link": errands.magic_link,
    },
)
