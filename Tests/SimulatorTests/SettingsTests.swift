internal import Simulator
internal import Testing

@Suite struct SettingsTests {
    @Test("Settings change by the flags' names, and null takes a limit away")
    func apply() throws {
        var settings = Settings()
        try settings.apply(["requests-per-minute": .number(60), "window": .string("5s"), "latency": .string("50ms")])
        #expect(settings.quotas.limits == [.requestsPerMinute: 60])
        #expect(settings.quotas.window == .seconds(5))
        #expect(settings.latency == .milliseconds(50))
        try settings.apply(["requests-per-minute": .null])
        #expect(settings.quotas.limits.isEmpty)
    }

    @Test(
        "A member that is wrong is named, and nothing changes",
        arguments: [
            ["chunks": .number(3), "requests-per-hour": .number(1)], ["chunks": .number(3), "window": .string("0s")],
            ["chunks": .number(3), "fail-rate": .number(1.5)], ["chunks": .number(3), "latency": .number(5)],
            ["chunks": .number(3), "requests-per-minute": .number(1.5)],
        ] as [[String: JSONValue]]
    )
    func refused(members: [String: JSONValue]) {
        var settings = Settings()
        let before = settings
        let wrong = members.keys.first { $0 != "chunks" }
        let error = #expect(throws: SettingsError.self) { try settings.apply(members) }
        #expect(error?.name == wrong)
        #expect(settings == before)
    }

    @Test("What the settings tell can be applied again")
    func roundTrip() throws {
        var settings = Settings()
        try settings.apply(["tokens-per-minute": .number(1000), "jitter": .string("1500us"), "seed": .number(7)])
        var copy = Settings()
        try copy.apply(settings.members)
        #expect(copy == settings)
    }

    @Test(
        "Durations are read and written in their units",
        arguments: [
            ("250ms", Duration.milliseconds(250)), ("10s", .seconds(10)), ("5m", .seconds(300)),
            ("1d", .seconds(86_400)),
            ("1500us", .microseconds(1500)),
        ]
    )
    func durations(text: String, duration: Duration) {
        #expect(Duration(text: text) == duration)
        #expect(duration.text == text)
    }

    @Test(
        "What is no duration is refused",
        arguments: ["", "5", "s", "-1s", "1w", "1 s", "1.2.3s", "1e9d", "99999999999d"]
    )
    func notDurations(text: String) {
        #expect(Duration(text: text) == nil)
    }
}

@Suite struct DiceTests {
    private func fates(_ change: (inout Settings) -> Void) -> [Fate] {
        var settings = Settings()
        change(&settings)
        let dice = Dice(seed: 42)
        return (0..<1000).map { _ in dice.roll(settings) }
    }

    @Test("A seed makes the faults repeatable, in the asked share")
    func repeatable() {
        let first = fates { $0.failRate = 0.25 }
        #expect(first == fates { $0.failRate = 0.25 })
        #expect((200...300).contains(first.count { $0.fault == .fail(status: 503) }))
    }

    @Test("No fault happens unless it was asked for")
    func quiet() {
        #expect(fates { _ in }.allSatisfy { $0.latency == .zero && $0.fault == nil })
    }

    @Test("Jitter adds up to its length to the latency")
    func jitter() {
        let latencies = fates {
            $0.latency = .milliseconds(50)
            $0.jitter = .milliseconds(10)
        }.map(\.latency)
        #expect(latencies.allSatisfy { $0 >= .milliseconds(50) && $0 < .milliseconds(60) })
        #expect(Set(latencies).count > 900)
    }
}
