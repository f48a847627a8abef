from actions.context import Context
from actions.errors import InvalidParameters
from actions.fields import fold, nearest
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from actions.sessionprop.options import NAMES, options_of


class GetSessOptParams(ActionParams):
    """Parameters of sessionProp.getSessOpt."""

    name: str
    """The option."""


@action("sessionProp.getSessOpt")
def get_sess_opt(ctx: Context, p: GetSessOptParams) -> ActionResult:
    """Return the value of an option of the session, under the proper spelling of its name.

    Raises:
        InvalidParameters: there is no such option.
    """
    spelt = NAMES.get(fold(p.name))
    if spelt is None:
        near = nearest(p.name, NAMES.values())
        raise InvalidParameters(
            f"parameter 'name' got {p.name!r}, expected an option: {', '.join(NAMES.values())}",
            parameter="name",
            nearest=near,
        )
    return ActionResult(values={spelt: options_of(ctx.session)[spelt]})
