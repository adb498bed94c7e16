LINKS_test_safetensors := base net
LINKS_test_metrics := base learner
LINKS_test_results := base learner
LINKS_test_progress := base deploy
LINKS_test_summary := base learner deploy
