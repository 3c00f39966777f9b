FROM 127.0.0.1:1/pipelayer-test/no-such:1
