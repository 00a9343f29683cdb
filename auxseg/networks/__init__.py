"""Networks: backbones, the classifier, AuxSegNet+ and its affinity modules."""
