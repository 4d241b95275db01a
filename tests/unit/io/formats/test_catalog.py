from pathlib import Path

import pytest

from masklet.io.formats.catalog import open_writer, read_annotations


def test_a_format_that_there_is_not(tmp_path: Path):
    with pytest.raises(ValueError, match="no annotation format 'tiff': choose one of"):
        open_writer("tiff", tmp_path)
    with pytest.raises(ValueError, match="no annotation format 'tiff'"):
        read_annotations("tiff", tmp_path)
