"""Settings as files: what is written is read again, also in the layouts of older versions of transformers."""

import json

import pytest

from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.processor import Sam2Processor


@pytest.fixture
def processor() -> Sam2Processor:
    return Sam2Processor(Sam2ImageProcessor(size=64, do_normalize=False), point_pad_value=-7)


def test_a_processor_and_its_part_come_back(processor, tmp_path):
    (path,) = processor.save_pretrained(tmp_path / "new")
    assert path.endswith("processor_config.json")
    values = json.loads((tmp_path / "new" / "processor_config.json").read_text())
    assert values["processor_class"] == "Sam2Processor"
    assert values["image_processor"]["image_processor_type"] == "Sam2ImageProcessor"
    assert values["target_size"] == 64
    for source in (tmp_path / "new", str(tmp_path / "new"), path):
        assert Sam2Processor.from_pretrained(source).to_dict() == processor.to_dict()
        assert Sam2ImageProcessor.from_pretrained(source).to_dict() == processor.image_processor.to_dict()


def test_an_image_processor_alone_comes_back(processor, tmp_path):
    (path,) = processor.image_processor.save_pretrained(tmp_path)
    assert path.endswith("preprocessor_config.json")
    assert Sam2ImageProcessor.from_pretrained(tmp_path).to_dict() == processor.image_processor.to_dict()
    assert Sam2ImageProcessor.from_json_file(path).size == {"height": 64, "width": 64}
    assert Sam2Processor.from_pretrained(tmp_path).target_size == 64


def test_files_of_older_versions(tmp_path):
    old = {"image_processor_type": "Sam2ImageProcessorFast", "size": {"height": 48, "width": 48}, "crop_size": None}
    old |= {"do_normalize": False, "data_format": "channels_first", "device": None}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(old))
    (tmp_path / "processor_config.json").write_text(json.dumps({"point_pad_value": -3, "target_size": 40}))
    processor = Sam2Processor.from_pretrained(tmp_path)
    assert (processor.target_size, processor.point_pad_value) == (40, -3)
    assert processor.image_processor.size == {"height": 48, "width": 48}
    assert not processor.image_processor.do_normalize


def test_settings_can_be_changed_while_loading(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    changed = Sam2Processor.from_pretrained(tmp_path, target_size=9, do_resize=False, use_fast=True, revision="main")
    assert changed.target_size == 9
    assert not changed.image_processor.do_resize
    with pytest.raises(TypeError, match="no setting 'target_sise'"):
        Sam2Processor.from_pretrained(tmp_path, target_sise=9)
    with pytest.raises(TypeError, match="no setting 'target_size'"):
        Sam2ImageProcessor.from_pretrained(tmp_path, target_size=9)


def test_folders_without_settings(tmp_path):
    for kind in (Sam2Processor, Sam2ImageProcessor):
        with pytest.raises(FileNotFoundError, match=r"preprocessor_config\.json"):
            kind.from_pretrained(tmp_path)
    (tmp_path / "processor_config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"preprocessor_config\.json"):
        Sam2Processor.from_pretrained(tmp_path)


def test_a_file_is_no_folder_to_save_to(processor, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        processor.save_pretrained(tmp_path / "file")


def test_settings_are_shown_as_json(processor):
    assert json.loads(repr(processor).removeprefix("Sam2Processor ")) == processor.to_dict()
