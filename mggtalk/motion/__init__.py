"""Motion that drives a face: speech, motion files and ARKit tables, and how it moves another head.

The public names: :func:`~mggtalk.speech.listen.listen`, :func:`~mggtalk.motion.motion_file.load_motion`,
:func:`~mggtalk.motion.motion_file.save_motion`, :func:`~mggtalk.motion.arkit.load_arkit_csv`,
:func:`~mggtalk.motion.arkit.save_arkit_csv`.
"""
