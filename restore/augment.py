"""Damage and masks as albumentations; the only home of that package."""
