internal import ArgumentParser
internal import Simulator

struct QuotaFlags: ParsableArguments {
    @Option(help: "Gemini calls a model and window; a batch of embeddings counts by its items.")
    var requestsPerMinute: Int?

    @Option(help: "Gemini input tokens a model and window.")
    var tokensPerMinute: Int?

    @Option(help: "Gemini calls a model and day.")
    var requestsPerDay: Int?

    @Option(help: "Pinecone queries a window.")
    var pineconeQueriesPerMinute: Int?

    @Option(help: "Window of the quotas named after a minute.")
    var window = "60s"

    @Option(help: "Window of the quota named after a day.")
    var day = "1d"

    @Flag(inversion: .prefixedNo, help: "Whether a refused arrival takes room in the window.")
    var countRefused = true

    func apply(to settings: inout Settings) throws {
        try settings.set("requests-per-minute", requestsPerMinute.map(JSONValue.init))
        try settings.set("tokens-per-minute", tokensPerMinute.map(JSONValue.init))
        try settings.set("requests-per-day", requestsPerDay.map(JSONValue.init))
        try settings.set("pinecone-queries-per-minute", pineconeQueriesPerMinute.map(JSONValue.init))
        try settings.set("window", .string(window))
        try settings.set("day", .string(day))
        try settings.set("count-refused", .bool(countRefused))
    }
}

struct AnswerFlags: ParsableArguments {
    @Option(help: "From the arrival to the first byte of an answer.")
    var latency = "0s"

    @Option(help: "Up to so much is added to the latency.")
    var jitter = "0s"

    @Option(help: "Between two chunks of a stream.")
    var chunkDelay = "0s"

    @Option(help: "Chunks that a streamed text is cut into.")
    var chunks = 8

    @Option(help: "Words of an answer beyond the sentence that repeats the question.")
    var answerWords = 40

    @Option(help: "Length of an embedding where the call names none.")
    var dimension = 768

    @Option(help: "Bytes of text that count as a token.")
    var bytesPerToken = 4.0

    func apply(to settings: inout Settings) throws {
        try settings.set("latency", .string(latency))
        try settings.set("jitter", .string(jitter))
        try settings.set("chunk-delay", .string(chunkDelay))
        try settings.set("chunks", JSONValue(chunks))
        try settings.set("answer-words", JSONValue(answerWords))
        try settings.set("dimension", JSONValue(dimension))
        try settings.set("bytes-per-token", .number(bytesPerToken))
    }
}

struct FaultFlags: ParsableArguments {
    @Option(help: "Share of calls, 0 to 1, that fail.")
    var failRate = 0.0

    @Option(help: "The status that they fail with.")
    var failStatus = 503

    @Option(help: "Share of calls whose connection is reset.")
    var resetRate = 0.0

    @Option(help: "Share of answers that break off in the middle.")
    var cutStreamRate = 0.0

    @Option(help: "Start of the pseudo-random sequence behind jitter and faults.")
    var seed = 1

    func apply(to settings: inout Settings) throws {
        try settings.set("fail-rate", .number(failRate))
        try settings.set("fail-status", JSONValue(failStatus))
        try settings.set("reset-rate", .number(resetRate))
        try settings.set("cut-stream-rate", .number(cutStreamRate))
        try settings.set("seed", JSONValue(seed))
    }
}

struct PineconeFlags: ParsableArguments {
    @Option(help: "A path below which Pinecone's calls are served too.")
    var pineconePrefix = ""

    @Option(help: "Name of the one index.")
    var index = "sluice"

    @Option(help: "Dimension of the index. Default: each namespace takes its first vector's.")
    var indexDimension: Int?

    @Option(help: "Vectors that the index holds at most.")
    var maximumVectors = 100_000

    func apply(to options: inout SimulatorOptions) throws {
        guard indexDimension.map({ (1...20_000).contains($0) }) ?? true else {
            throw ValidationError("--index-dimension: expected a whole number from 1 to 20000")
        }
        guard (1...10_000_000).contains(maximumVectors) else {
            throw ValidationError("--maximum-vectors: expected a whole number from 1 to 10000000")
        }
        let prefix = pineconePrefix.split(separator: "/").joined(separator: "/")
        options.pineconePrefix = prefix.isEmpty ? "" : "/" + prefix
        options.indexName = index
        options.indexDimension = indexDimension
        options.maximumVectors = maximumVectors
    }
}

extension JSONValue {
    fileprivate init(_ number: Int) {
        self = .number(Double(number))
    }
}
