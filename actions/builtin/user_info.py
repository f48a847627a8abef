from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult, Json


class UserInfoParams(ActionParams):
    """Parameters of builtins.userInfo: none."""


@action("builtins.userInfo")
def user_info(ctx: Context, p: UserInfoParams) -> ActionResult:
    """Return who calls."""
    del p
    user: dict[str, Json] = {
        "userId": ctx.session.user,
        "providedName": ctx.session.user,
        "uniqueId": ctx.session.user,
        "groups": [],
        "providerName": "castorch",
        "anonymous": False,
        "hostAccount": False,
        "guest": False,
    }
    return ActionResult(values={"userInfo": user})
