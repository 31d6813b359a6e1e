"""From names to methods, and what an ablation leaves out."""

from dataclasses import fields

import pytest
import torch

from mggtalk.animate.calibrate import calibrate_colours
from mggtalk.cli.parser import build_parser, main
from mggtalk.config import Ablation, DSGRConfig, PipelineConfig
from mggtalk.dsgr.refine import RefineUNet
from mggtalk.errors import OptionError
from mggtalk.evaluation import MODES, PRIOR, TRAINED
from mggtalk.evaluation.methods import ABLATIONS, make_methods
from mggtalk.nets.maps import to_float
from mggtalk.pipeline import MGGTalkPipeline


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of weights whose residuals are small random numbers."""
    folder = tmp_path_factory.mktemp("weights")
    pipe = MGGTalkPipeline.from_pretrained(prior=True)
    generator = torch.Generator().manual_seed(0)
    for network in (pipe.refine, pipe.deformation, pipe.sgp, pipe.image_renderer):
        for name, parameter in network.named_parameters():
            if "last" in name:
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
    assert pipe.trained
    pipe.save_pretrained(folder)
    return folder


def test_every_ablation_changes_one_switch_and_no_shape():
    assert Ablation().applied(PipelineConfig()) == PipelineConfig()
    for column in fields(Ablation):
        config = Ablation(**{column.name: True}).applied(PipelineConfig())
        changed = [
            (stage.name, entry.name)
            for stage in fields(config)
            if not isinstance(getattr(config, stage.name), str)
            for entry in fields(getattr(config, stage.name))
            if getattr(getattr(config, stage.name), entry.name)
            != getattr(getattr(PipelineConfig(), stage.name), entry.name)
        ]
        assert len(changed) == 1
        assert getattr(getattr(config, changed[0][0]), changed[0][1]) is False


def test_names_become_methods_with_the_prior_first(trained):
    methods = make_methods(trained, compare=True, ablations=["sym-twin"], noises=[0.1])
    assert list(methods) == [PRIOR, TRAINED, "w/o sym-twin", "noise 0.1"]
    assert not methods[PRIOR].pipe.trained and methods[TRAINED].pipe.trained
    assert not methods["w/o sym-twin"].pipe.config.sgp.sym_twin
    assert methods["noise 0.1"].noise == 0.1 and methods["noise 0.1"].pipe is methods[TRAINED].pipe


def test_other_weights_stand_beside(trained):
    methods = make_methods(prior=True, others=[f"mine={trained}"])
    assert list(methods) == [PRIOR, "mine"]
    for others in (["mine"], [f"a={trained}", f"a={trained}"], [f"prior={trained}"]):
        with pytest.raises(OptionError, match=r"NAME=FOLDER|taken"):
            make_methods(prior=True, others=others)


def test_the_command_line_knows_modes_and_ablations(tmp_path, capsys):
    parser = build_parser()
    for mode in MODES:
        assert parser.parse_args(["evaluate", "--clips", "x", "--mode", mode]).mode == mode
    with pytest.raises(SystemExit):
        parser.parse_args(["evaluate", "--help"])
    text = " ".join(capsys.readouterr().out.replace("-\n", "-").split())
    assert all(name in text for name in ABLATIONS)
    (tmp_path / "clip.mp4").touch()
    assert main(["evaluate", "--clips", str(tmp_path), "--ablate", "hair"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"mggtalk: error: Unknown ablation hair. Choose from {', '.join(ABLATIONS)}."
    ]


def test_the_prior_is_called_what_it_is():
    assert list(make_methods(prior=True, compare=True)) == [PRIOR]


def test_a_refinement_that_is_left_out_is_not_run_however_much_it_has_learned():
    for enabled in (True, False):
        refine = RefineUNet(DSGRConfig(refine=enabled)).eval()
        torch.nn.init.ones_(refine.unet.last.weight)
        assert refine.untrained is not enabled


def test_colours_are_calibrated_without_children(avatar, astronaut):
    config = Ablation(densify=True).applied(PipelineConfig())
    animator = MGGTalkPipeline.from_pretrained(config=config, prior=True).animator(avatar, 512)
    calibrated = calibrate_colours(animator, animator.head, to_float(astronaut), rounds=1)
    assert torch.isfinite(calibrated.colour).all() and not torch.equal(calibrated.colour, avatar.colour)


def test_unknown_names_are_refused():
    with pytest.raises(OptionError, match="Unknown ablation hair"):
        make_methods(prior=True, ablations=["refine", "hair"])
    with pytest.raises(OptionError, match="noise"):
        make_methods(prior=True, noises=[-0.1])
