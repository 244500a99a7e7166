"""From bytes to images and typed labels: JPEG, annotations, label maps, keypoint files, lenient JSON."""
