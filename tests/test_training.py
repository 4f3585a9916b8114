"""Training towards the bound, by hand and by transformers' Trainer, on a tiny model."""

import json
import random
import subprocess
import sys
from itertools import islice

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM, Trainer, TrainingArguments

import pacbayes
from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.errors import InputError
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.models.posterior_file import with_posterior
from pacbayes.sample.pretrain import encode_batch
from pacbayes.sample.problems import variant_problems
from pacbayes.settings import Settings
from tests.conftest import tiny_llama

N, STEPS, ROWS, RATE = 300, 40, 12, 0.01


def fresh(checkpoints, kind):
    """The model that training starts from: a new adapter on the base, or the base itself."""
    torch.manual_seed(0)
    model = LlamaForCausalLM.from_pretrained(checkpoints / "base")
    if kind == "full":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("lm_head" in name)
        return model
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=["v_proj", "down_proj"], task_type="CAUSAL_LM"
    )
    model = get_peft_model(model, config)
    model.peft_config["default"].base_model_name_or_path = str(checkpoints / "base")
    return model


@pytest.fixture(scope="module")
def problems():
    return list(islice(variant_problems(random.Random(5), [2, 3]), N))


@pytest.fixture(scope="module")
def data(problems, tmp_path_factory):
    """The problems as JSONL."""
    path = tmp_path_factory.mktemp("data") / "problems.jsonl"
    lines = [json.dumps({"prompt": p.prompt, "completion": p.completion}) for p in problems]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def rows(problems, tokenizer):
    """The problems as input ids and labels."""
    ids, mask = encode_batch(problems, tokenizer)
    return ids, torch.where(mask, ids, -100)


def save(model, folder, tokenizer):
    options = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
    model.save_pretrained(folder, **options)
    tokenizer.save_pretrained(folder)


def certified(folder, data, prior=None):
    model = open_fine_tuned(OpenOptions(checkpoint=folder, prior=prior))
    settings = Settings(losses=("nll",), passes=1, pilot=60)
    (found,) = certify(model, read_sample([data]), settings)
    return found


def batches(rows):
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        chosen = torch.randperm(len(rows[0]), generator=generator)[:ROWS]
        yield rows[0][chosen], rows[1][chosen]


def train_plainly(model, rows):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE)
    for ids, labels in batches(rows):
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def train_by_hand(model, rows, objective):
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    objective.add_to(optimizer, lr=3 * RATE)
    values = []
    for ids, labels in batches(rows):
        with objective.noise(ids):
            logits = model(input_ids=ids).logits
        value = objective(logits, labels)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        values.append(value.item())
    return values


class BoundTrainer(Trainer):
    """What a user of transformers writes."""

    def __init__(self, *arguments, objective, **options):
        super().__init__(*arguments, **options)
        self.objective = objective

    def compute_loss(self, model, inputs, return_outputs=False, **_):
        with self.objective.noise(inputs["input_ids"]):
            outputs = model(input_ids=inputs["input_ids"])
        value = self.objective(outputs.logits, inputs["labels"])
        return (value, outputs) if return_outputs else value

    def create_optimizer(self, *arguments):
        optimizer = super().create_optimizer(*arguments)
        self.objective.add_to(optimizer, lr=3 * RATE)
        return optimizer


def train_by_trainer(model, rows, objective, folder):
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=ROWS,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        logging_strategy="no",
        seed=0,
    )
    dataset = [{"input_ids": i, "labels": la} for i, la in zip(*rows, strict=True)]
    BoundTrainer(model=model, args=arguments, train_dataset=dataset, objective=objective).train()


def folders_of(tmp_path, checkpoints, tokenizer, rows, kind, how):
    model = fresh(checkpoints, kind)
    if how == "plain":
        if kind == "adapter":
            save(model, tmp_path / "initial", tokenizer)
        train_plainly(model, rows)
    else:
        objective = pacbayes.train_objective(model, n=N, loss="nll")
        if how == "loop":
            train_by_hand(model, rows, objective)
        else:
            train_by_trainer(model, rows, objective, tmp_path / "logs")
    save(model, tmp_path / how, tokenizer)
    if how != "plain":
        objective.save(tmp_path / how)


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_a_better_certificate_than_plain_training(
    checkpoints, data, tokenizer, rows, tmp_path, kind
):
    found = {}
    for how in ("plain", "loop", "trainer"):
        folders_of(tmp_path, checkpoints, tokenizer, rows, kind, how)
        prior = checkpoints / "base" if kind == "full" else None
        if how == "plain" and kind == "adapter":
            prior = tmp_path / "initial"
        found[how] = certified(tmp_path / how, data, prior)
    bounds = {how: c.strata[0].risk_bound[1] for how, c in found.items()}
    assert bounds["loop"] < bounds["plain"]
    assert bounds["trainer"] < bounds["plain"]
    assert found["loop"].kl < found["plain"].kl


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_the_value_falls_and_a_stays(checkpoints, rows, kind):
    model = fresh(checkpoints, kind)
    objective = pacbayes.train_objective(model, n=10**6, loss="nll")
    a = {n: p.detach().clone() for n, p in model.named_parameters() if ".lora_A." in n}
    assert objective.kl().item() == pytest.approx(0.0, abs=1e-6)
    values = train_by_hand(model, rows, objective)
    assert values[-1] < values[0]
    assert all(torch.equal(dict(model.named_parameters())[n], p) for n, p in a.items())
    assert kind == "full" or all(".lora_B." in name for name in objective.sigmas)


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_noise_is_fresh_keyed_and_gone_afterwards(checkpoints, rows, kind):
    ids = rows[0][:2]

    def logits_of(seed):
        model = fresh(checkpoints, kind)
        objective = pacbayes.train_objective(model, n=10, seed=seed)
        calm = model(input_ids=ids).logits
        noisy = []
        for _ in range(2):
            with objective.noise(ids):
                noisy.append(model(input_ids=ids).logits)
        assert torch.equal(model(input_ids=ids).logits, calm)
        return calm, *noisy

    calm, first, second = logits_of(seed=4)
    assert not torch.equal(first, calm)
    assert not torch.equal(first, second)
    assert all(map(torch.equal, logits_of(seed=4), (calm, first, second)))
    assert not torch.equal(logits_of(seed=5)[1], first)


@pytest.mark.parametrize("rows_apart", [True, False])
def test_a_tied_head_learns_with_its_embeddings(tokenizer, rows, monkeypatch, rows_apart):
    """With a draw for each row, or with one where the rows' weights are too many together."""
    if not rows_apart:
        monkeypatch.setattr("pacbayes.models.trainable._MOST_WEIGHTS", 0)
    model = tiny_llama(tokenizer, tie_word_embeddings=True).double()
    objective = pacbayes.train_objective(model, n=100, loss="nll").double()
    ids, labels = rows[0][[0, 0]], rows[1][[0, 0]]

    def value():
        objective.average.fill_(float("nan"))
        objective.draws.zero_()
        with objective.noise(ids):
            logits = model(input_ids=ids).logits
        assert torch.allclose(logits[0], logits[1]) != rows_apart
        return objective(logits, labels)

    weights = model.get_input_embeddings().weight
    value().backward()
    generator = torch.Generator().manual_seed(0)
    way = torch.randn(weights.shape, generator=generator, dtype=weights.dtype)
    values = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            weights += step * way
        values.append(value().item())
    slope = (values[0] - values[1]) / 2e-5
    assert slope == pytest.approx((weights.grad * way).sum().item(), rel=1e-3)


def test_dropout_does_not_make_rows_share_a_draw(checkpoints, rows):
    """What the model allows is found out without it; afterwards every module trains again."""
    model = fresh(checkpoints, "full").train()
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.5
    model.lm_head.eval()
    objective = pacbayes.train_objective(model, n=100)
    assert model.model.training
    assert not model.lm_head.training
    model.eval()
    ids = rows[0][[0, 0]]
    with objective.noise(ids):
        one, two = model(input_ids=ids).logits
    assert not torch.equal(one, two)


def test_scales_join_an_optimiser_once_and_their_gradient_is_cleared(checkpoints, rows):
    """The Trainer clears the gradients of its model only; left alone they would pile up."""
    model = fresh(checkpoints, "adapter")
    objective = pacbayes.train_objective(model, n=100)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        objective.add_to(optimizer, lr=0.1)
    assert len(optimizer.param_groups) == 2
    with objective.noise(rows[0][:2]):
        logits = model(input_ids=rows[0][:2]).logits
    objective(logits, rows[1][:2]).backward()
    assert objective.log_sigmas.grad is not None
    optimizer.step()
    assert objective.log_sigmas.grad is None


def test_state_goes_on(checkpoints, rows):
    model = fresh(checkpoints, "adapter")
    objective = pacbayes.train_objective(model, n=100, loss="nll")
    before = {name: t.detach().clone() for name, t in objective.posterior.means.items()}
    train_by_hand(model, rows, objective)
    other = pacbayes.train_objective(model, n=100, loss="nll", prior=before)
    other.load_state_dict(objective.state_dict())
    with objective.noise(rows[0][:2]):
        one = model(input_ids=rows[0][:2]).logits
    with other.noise(rows[0][:2]):
        two = model(input_ids=rows[0][:2]).logits
    assert torch.equal(one, two)
    assert objective(one, rows[1][:2]).item() == other(two, rows[1][:2]).item()


def test_saved_notes_reach_the_certificate(checkpoints, tokenizer, rows, data, tmp_path):
    """The scales start the search, and the initial adapter is the prior, also after training."""
    folders_of(tmp_path, checkpoints, tokenizer, rows, "adapter", "loop")
    opened = open_fine_tuned(OpenOptions(checkpoint=tmp_path / "loop"))
    noted = json.loads((tmp_path / "loop" / "pacbayes.json").read_text())
    assert opened.suggested_noise == noted["sigma_posterior"]
    assert all(".lora_B." in name for name in opened.sizes)  # A is at its initial value
    assert all(bool((tensor == 0).all()) for tensor in opened.prior_centre.values())
    assert opened.prior.path == str(tmp_path / "loop" / "initial_adapter")


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_a_scale_for_each_weight(checkpoints, tokenizer, rows, data, tmp_path, kind):
    """Starting alike it is the same bound; trained and saved, its file is certified as it is."""
    model = fresh(checkpoints, kind)
    alike = pacbayes.train_objective(model, n=N, loss="nll")
    objective = pacbayes.train_objective(model, n=N, loss="nll", family="diagonal")
    assert objective.kl().item() == pytest.approx(alike.kl().item(), rel=1e-6)
    with alike.noise(rows[0][:3]):
        one = model(input_ids=rows[0][:3]).logits
    with objective.noise(rows[0][:3]):
        two = model(input_ids=rows[0][:3]).logits
    torch.testing.assert_close(one, two)
    train_by_hand(model, rows, objective)
    save(model, tmp_path / "ckpt", tokenizer)
    objective.save(tmp_path / "ckpt")
    prior = checkpoints / "base" if kind == "full" else None
    opened = open_fine_tuned(OpenOptions(checkpoint=tmp_path / "ckpt", prior=prior))
    assert opened.suggested_noise == pytest.approx(objective.sigmas, rel=1e-12)
    given = with_posterior(opened, tmp_path / "ckpt" / "posterior.safetensors")
    settings = Settings(losses=("nll",), passes=1, pilot=20)
    (found,) = certify(given, read_sample([data]), settings)
    assert found.posterior.family == "diagonal"
    size = sum(group.size for group in found.posterior.groups)
    rounded = 2e-4 * size  # the certificate takes the prior's scale from the grid
    assert found.kl == pytest.approx(objective.kl().item(), rel=1e-4, abs=rounded)
    assert 0 < sum(group.anisotropy for group in found.posterior.groups) <= found.kl


def test_prior_given_as_tensors_or_folder(checkpoints):
    base = checkpoints / "base"
    model = LlamaForCausalLM.from_pretrained(checkpoints / "full")
    from_folder = pacbayes.train_objective(model, n=10, prior=base)
    tensors = dict(LlamaForCausalLM.from_pretrained(base).named_parameters())
    from_tensors = pacbayes.train_objective(model, n=10, prior=tensors)
    assert from_folder.kl().item() == from_tensors.kl().item() > 0
    assert pacbayes.train_objective(model, n=10).kl().item() == pytest.approx(0.0, abs=1e-6)
    name = next(iter(tensors))
    with pytest.raises(InputError, match="lacks the tensor"):
        pacbayes.train_objective(model, n=10, prior={})
    with pytest.raises(InputError, match="has shape"):
        pacbayes.train_objective(model, n=10, prior=tensors | {name: torch.zeros(1)})
    bad = torch.full_like(tensors[name], float("nan"))
    with pytest.raises(InputError, match="NaN or infinity"):
        pacbayes.train_objective(model, n=10, prior=tensors | {name: bad})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "`n` must be at least 1"),
        ({"delta": 1.0}, r"`delta` must lie in \(0, 1\)"),
        ({"noise": 0.0}, "`noise` must be positive"),
        ({"seed": -1}, "`seed` must lie in"),
        ({"loss": "exakt"}, "`loss` must be one of exact, token, nll"),
        ({"bound": "catoni"}, "`bound` must be one of"),
        ({"family": "low-rank"}, "`family` must be one of per-tensor, diagonal, got 'low-rank'"),
    ],
)
def test_bad_numbers_and_names(checkpoints, options, message):
    with pytest.raises(InputError, match=message):
        pacbayes.train_objective(fresh(checkpoints, "full"), **({"n": 10} | options))


def test_bad_models(checkpoints, tokenizer, tmp_path):
    frozen = tiny_llama(tokenizer).requires_grad_(False)
    with pytest.raises(InputError, match="no trainable parameter"):
        pacbayes.train_objective(frozen, n=10)
    mixed = fresh(checkpoints, "adapter")
    next(p for n, p in mixed.named_parameters() if "lm_head" in n).requires_grad_(True)
    with pytest.raises(InputError, match="is trained but is no linear LoRA factor"):
        pacbayes.train_objective(mixed, n=10)
    model = fresh(checkpoints, "full").train()
    model.gradient_checkpointing_enable()
    objective = pacbayes.train_objective(model, n=10)
    ids = torch.ones(1, 3, dtype=torch.long)
    with pytest.raises(InputError, match="gradient checkpointing"), objective.noise(ids):
        pass
    with pytest.raises(InputError, match="save the model there first"):
        objective.save(tmp_path / "nowhere")


def test_importing_pacbayes_leaves_torch_out():
    code = "import sys, pacbayes; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'train_objectiv'"):
        pacbayes.train_objectiv  # noqa: B018
