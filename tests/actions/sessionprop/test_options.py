import pytest

from actions import run_action
from actions.context import Context
from actions.errors import CaslibNotFound, InvalidParameters
from actions.memory import MemoryStores
from tests.actions.house import Run


def test_an_option_that_was_set_is_told_under_its_proper_spelling(
    run: Run, stores: MemoryStores
) -> None:
    run("sessionProp.setSessOpt", messagelevel="error", n_threads=3)

    now = stores.context()
    assert now.session.options == {"messagelevel": "ERROR", "nthreads": 3}
    assert _get(now, "MESSAGELEVEL") == {"messageLevel": "ERROR"}
    assert _get(now, "nthreads") == {"nThreads": 3}


def _get(ctx: Context, name: str) -> object:
    return run_action(ctx, "sessionProp.getSessOpt", {"name": name}).values


def test_options_that_nobody_set_have_what_holds_without_them(run: Run) -> None:
    listed = run("sessionProp.listSessOpts").tables["SessionOptions"].records()

    options = {row["Name"]: row["Value"] for row in listed}
    assert (options["caslib"], options["messageLevel"]) == ("CASUSER", "ALL")


def test_the_active_caslib_is_an_option(run: Run, stores: MemoryStores) -> None:
    run("sessionProp.setSessOpt", caslib="public")

    assert stores.context().session.active_caslib == "PUBLIC"
    with pytest.raises(CaslibNotFound, match=r"^no caslib is named 'publick'; did you mean "):
        run("sessionProp.setSessOpt", caslib="publick")


def test_an_option_there_is_not_is_refused(run: Run) -> None:
    message = (
        "^parameter 'name' got 'colour', expected an option: caslib, locale, messageLevel, "
        "metrics, timeout, cmplib, nThreads, maxTableMem, timezone, collate, dataStepReplaceTable$"
    )
    with pytest.raises(InvalidParameters, match=message):
        run("sessionProp.getSessOpt", name="colour")
