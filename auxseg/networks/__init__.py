"""Networks: backbones at output stride 8, the classifier, AuxSegNet+ and its affinity modules."""
