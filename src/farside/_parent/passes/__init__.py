"""What passes are made of, and how their items come to the loop. No module here knows the client.

A `sequence` says where workers begin, and where a loop is: of one iterable or of shards (`sharded`,
with their `fingerprint`), or of the `inputs` of a map.

A `delivery` takes the frames of each worker from `queues`, and puts their items into the order of
the loop: those of one worker as they come, of shards `in_turn` or as they are `dealt`. It keeps
`anchors`, with which a pass that is made again is compared.

The delivery of a map is `mapped` (in one of `mapped_orders`): it also gives workers their inputs.
These come from a `supply` (`own_iterators` are Python's) or an `async_supply`, and go out in
`batches`; `assigned_inputs` has those under way, and `answers` and `given_results` what came back.
"""
