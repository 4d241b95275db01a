"""The commands under `masklet evaluate` are there, and each shows an example."""

import pytest

from masklet.cli.main import main

COMMANDS = ("vos", "interactive", "image", "masks", "report")


def test_all_commands_are_listed(capsys):
    assert main(["evaluate", "--help"]) == 0
    listed = capsys.readouterr().out
    assert all(command in listed for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_an_example(command, capsys):
    assert main(["evaluate", command, "--help"]) == 0
    assert f"masklet evaluate {command} " in capsys.readouterr().out


def test_a_data_set_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["evaluate", "vos", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
