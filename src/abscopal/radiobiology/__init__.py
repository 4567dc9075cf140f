"""Pure functions of dose: survival, isoeffect, oxygen, modality and tumour control."""
