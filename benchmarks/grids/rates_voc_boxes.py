# wsss benchmark benchmarks/grids/rates_voc_boxes.py
# Rates of each method on the 409 images of voc_mini's train with one class, for methods_voc_boxes.py, whose
# trainings these are: MobileNetV1 from ImageNet weights, crops of 192, 12 epochs of 25 steps, bfloat16.
def _at(config, rates, key="train.learning_rate"):
    return {
        f"{config}_{rate:g}": dict(config=f"{config}_mbv1_{{dataset}}.py", options=[f"{key}={rate}"])
        for rate in rates
    }


datasets = ["voc_boxes"]
methods = dict(
    **_at("cam", [0.1, 0.03, 0.01]),
    **_at("fam", [0.001, 0.003]),
    **_at("bas_localization", [0.001, 0.003]),
    **_at("ornet", [0.003, 0.001], "train.fine.learning_rate"),
    **_at("bas", [0.003, 0.01]),
    **_at("bcam", [0.001, 0.0003]),
)
random_seeds = [0]
options = ["dataset.train_split=train", "train.amp=bf16", "infer.amp=bf16"]
