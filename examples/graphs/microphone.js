/** An AudioWorklet: what the microphone hears, 20 ms at a time, as the 16 bits that the front end takes. */
class Microphone extends AudioWorkletProcessor {
  #held = new Int16Array(320);
  #count = 0;

  process([[samples]]) {
    for (const sample of samples ?? []) {
      this.#held[this.#count++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32767)));
      if (this.#count < this.#held.length) continue;
      this.port.postMessage(this.#held.slice());
      this.#count = 0;
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
