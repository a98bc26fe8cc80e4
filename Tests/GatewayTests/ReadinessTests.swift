import Gateway
import Testing

@Suite struct ReadinessTests {
    @Test("Under closed it is ready while Redis and all queues are within reach")
    func closed() {
        let readiness = Readiness(needsRedis: true)
        readiness.enter(.serving)
        let unreached = readiness.obstacle
        readiness.redis(isUp: true)
        let reached = readiness.obstacle
        readiness.queue(isCut: true)
        readiness.queue(isCut: true)
        readiness.queue(isCut: false)
        let oneCut = readiness.obstacle
        readiness.queue(isCut: false)
        #expect(unreached != nil)
        #expect(reached == nil)
        #expect(oneCut != nil)
        #expect(readiness.obstacle == nil)
    }

    @Test("Under other policies the loss of Redis leaves it ready")
    func local() {
        let readiness = Readiness(needsRedis: false)
        readiness.enter(.serving)
        readiness.redis(isUp: false)
        readiness.queue(isCut: true)
        #expect(readiness.obstacle == nil)
        readiness.enter(.draining)
        #expect(readiness.obstacle == "draining")
    }
}
