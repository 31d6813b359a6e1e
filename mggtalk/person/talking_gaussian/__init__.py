"""TalkingGaussian (ECCV 2024): a persistent Gaussian field of one person that motion only moves."""
