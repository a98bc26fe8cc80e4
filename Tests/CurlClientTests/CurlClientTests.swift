import Testing

/// One after the other: some count descriptors and threads of the process.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CurlClientTests {}
