"""The catalogue: settings may name its queues only."""

import pytest

from killreport_assets.base.errors import UserError
from killreport_assets.queues.catalogue import WORK_QUEUES, check_queue_names


def test_a_setting_that_names_no_queue_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match="SOME_SETTING: there is no queue esi_user_queue; there are zkillboard_char"):
        check_queue_names("SOME_SETTING", ["esi_type_info_queue", "esi_user_queue"])


def test_every_queue_may_be_named() -> None:
    check_queue_names("SOME_SETTING", [queue.name for queue in WORK_QUEUES])
