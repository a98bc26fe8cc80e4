import Dialects
import NIOCore
import Testing

private let quotaFailure = """
    {"error":{"code":429,"message":"Please retry in 45.8s. \\"quotaId\\": x","status":"RESOURCE_EXHAUSTED","details":[
    {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[
    {"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests",
    "quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
    "quotaDimensions":{"location":"global","model":"gemini-2.5-flash"},"quotaValue":"10"},
    {"quotaMetric":"m","quotaId":"GenerateContentInputTokensPerModelPerDay-FreeTier"}]},
    {"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"d","url":"u"}]},
    {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"45.837906927s"}]}}
    """

@Suite struct UpstreamRefusalTests {
    @Test("Gemini's 429 says when, and which quotas", arguments: [quotaFailure, "[\(quotaFailure)]"])
    func gemini(body: String) {
        let refusal = UpstreamRefusal(body: ByteBuffer(string: body), retryAfter: "7", secondsSinceEpoch: 0)
        #expect(refusal.retryAfter == .nanoseconds(45_837_906_927))
        #expect(
            refusal.violations == [
                .init(
                    quotaID: "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
                    quotaValue: 10,
                    model: "gemini-2.5-flash"
                ),
                .init(quotaID: "GenerateContentInputTokensPerModelPerDay-FreeTier"),
            ]
        )
        #expect(refusal.violations.map(\.isPerMinute) == [true, false])
        #expect(refusal.violations.map(\.isPerDay) == [false, true])
        #expect(refusal.violations.map(\.countsTokens) == [false, true])
    }

    @Test(
        "Retry-After counts where the body says nothing",
        arguments: [
            ("12", Duration.seconds(12)), ("0", .zero), ("Sun, 06 Nov 1994 08:49:37 GMT", .seconds(37)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", .zero), ("-1", nil), ("soon", nil),
            ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("Sun, 99 Nov 1994 08:49:37 GMT", nil), (nil, nil),
        ] as [(String?, Duration?)]
    )
    func retryAfter(field: String?, expected: Duration?) {
        let now: Int64 = 784_111_740  // 1994-11-06T08:49:00Z
        let refusal = UpstreamRefusal(body: ByteBuffer(string: "no json"), retryAfter: field, secondsSinceEpoch: now)
        #expect(refusal.retryAfter == expected)
        #expect(refusal.violations.isEmpty)
    }

    @Test("A cut or hostile body is read as far as it goes", arguments: [0, 50, 300, 600])
    func cut(length: Int) {
        let body = ByteBuffer(string: String(quotaFailure.prefix(length)))
        let refusal = UpstreamRefusal(body: body, retryAfter: "1", secondsSinceEpoch: 0)
        #expect(refusal.retryAfter == .seconds(1))
        let closing = UpstreamRefusal(
            body: ByteBuffer(string: "]]}}\"retryDelay\":5"),
            retryAfter: nil,
            secondsSinceEpoch: 0
        )
        #expect(closing.retryAfter == nil)
    }

    @Test(
        "Protobuf durations",
        arguments: [
            ("26s", Duration.seconds(26)), ("0.5s", .milliseconds(500)),
            ("1.000000001s", .seconds(1) + .nanoseconds(1)),
            ("26", nil), ("s", nil), ("-1s", nil), ("1.s", nil), (".5s", nil), ("1e3s", nil), ("1.0000000001s", nil),
            ("99999999999999999999s", nil), ("", nil),
        ] as [(String, Duration?)]
    )
    func parse(text: String, expected: Duration?) {
        #expect(ProtobufDuration.parse(text) == expected)
    }

    @Test(
        "Durations are written in milliseconds, rounded up",
        arguments: [
            (Duration.seconds(26), "26s"), (.milliseconds(500), "0.500s"), (.nanoseconds(1), "0.001s"),
            (.milliseconds(12_045), "12.045s"), (.nanoseconds(999_999_999), "1s"), (.zero, "0s"), (.seconds(-3), "0s"),
        ]
    )
    func text(duration: Duration, expected: String) {
        #expect(ProtobufDuration.text(duration) == expected)
    }

    @Test(
        "A limit that no quota has is taken for the largest that one may have",
        arguments: [("9223372036854775807", 1 << 40), ("-5", 0), ("9223372036854775808", nil), ("10", 10)]
            as [(String, Int?)]
    )
    func largeValue(told: String, expected: Int?) {
        let body =
            #"{"error":{"details":[{"violations":[{"quotaId":"RequestsPerMinute","quotaValue":"\#(told)"}]}]}}"#
        let refusal = UpstreamRefusal(body: ByteBuffer(string: body), retryAfter: nil, secondsSinceEpoch: 0)
        #expect(refusal.violations.map(\.quotaValue) == [expected])
    }
}
