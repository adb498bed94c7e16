LINKS_test_safetensors := base net
