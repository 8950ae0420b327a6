"""What passes are made of, and how their items reach the loop. No module here knows the client.

A `sequence` decides where workers begin, and tells where a loop is. It is one iterable or shards
(`sharded`, with their `fingerprint`), or the `inputs` of a map.

A `delivery` opens the frames of each worker (`queues`), and puts their items into the order of the
loop: those of one worker as they come, those of shards `in_turn` or as they are `dealt`. It keeps
`anchors`, with which a pass that is made again is compared.

The delivery of a map is `mapped` (in one of `mapped_orders`), and also gives workers their inputs.
These come from a `supply` (see `own_iterators` for Python's own) or an `async_supply`, and are sent
in `batches`. `assigned_inputs` has the inputs in flight, `answers` takes what workers send back,
and `given_results` records what the loop was given.
"""
