"""Tests of requests, informers, work queues and the loop of controllers."""
