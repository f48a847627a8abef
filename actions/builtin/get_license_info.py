from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult


class GetLicenseInfoParams(ActionParams):
    """Parameters of builtins.getLicenseInfo: none."""


@action("builtins.getLicenseInfo")
def get_license_info(ctx: Context, p: GetLicenseInfoParams) -> ActionResult:
    """Return the licence of this program, which does not run out."""
    del ctx, p
    columns: Declared = (("product", "string"), ("license", "string"), ("expires", "datetime"))
    rows = [("castorch", "Apache-2.0", None)]
    return ActionResult(tables={"License": result_table(columns, rows, "License")})
