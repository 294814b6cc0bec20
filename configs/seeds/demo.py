_base_ = ["bas_resnet18_demo.py"]
