"""The wordings of attacks on instructions, and of answers that give in to them. English first; the rest is a start."""

import re

# "ignore all previous instructions" and its kin: somebody wants the operator's instructions out of the way.
OVERRIDE = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|bypass|override|discard|skip|drop|do not follow|don't follow|stop following"
    r"|cancel|erase)\b[^.!?\n]{0,40}?"
    r"\b(?:previous|prior|preceding|above|earlier|all|any|every|your|the|foregoing|initial|original|system"
    r"|following)\b[^.!?\n]{0,30}?"
    r"\b(?:instructions?|directions?|prompts?|rules?|guidelines?|commands?|directives?|context|constraints?"
    r"|restrictions?|programming|orders|safety|polic(?:y|ies)|text)\b"
    r"|\bnew (?:instructions?|rules?|task|system prompt)\b\s?[:=]|\b(?:system|admin(?:istrator)?|developer"
    r"|root) (?:override|command|note|message|update)\b"
    r"|(?:ignor|vergiss|missacht)\w*\b[^.!?\n]{0,40}\b(?:anweisung|regeln|instruktion)|(?:ignor"
    r"|oubli)\w*\b[^.!?\n]{0,40}\b(?:instructions|consignes|règles)"
    r"|(?:ignor|olvid)\w*\b[^.!?\n]{0,40}\b(?:instrucciones|reglas)|(?:ignor"
    r"|dimentic)\w*\b[^.!?\n]{0,40}\b(?:istruzioni|regole)"
    r"|(?:ignor|esque)\w*\b[^.!?\n]{0,40}\b(?:instruções|regras)|(?:忽略|无视|無視)[^。\n]{0,16}(?:指令|指示|规则|提示|說明|说明)"
    r"|(?:以前|上記|これまで)の?(?:指示|命令)[^。\n]{0,8}無視"
)
# Who asks for what the operator keeps to itself.
EXTRACTION = re.compile(
    r"(?i)\b(?:tell|reveal|show|print|repeat|output|display|give|share|disclose|write|expose|leak|what(?:'s| is"
    r"| are| were)|return|recite|summari[sz]e|translate|dump|list)\b[^.!?\n]{0,60}?"
    r"\b(?:system (?:prompt|message|instructions?)|(?:your|initial|original|hidden|secret|previous|above|internal"
    r"|full|exact|confidential) (?:\w{1,12} ){0,2}?(?:instructions?|prompt|rules|guidelines|message|text|code|key"
    r"|password|configuration|data|information|token|document)"
    r"|(?:text|words|everything|instructions|messages?|content) (?:above|before|verbatim)|(?:internal|secret"
    r"|access|admin|api)[ _-](?:code|key|password|token)|\bpassword\b|secret)"
)
# Roles without rules.
JAILBREAK = re.compile(
    r"(?i)\bDAN\b|\bdo anything now\b|\bjail ?broken?\b|\b(?:developer|debug|god|sudo|unrestricted|evil|opposite"
    r"|unfiltered|dev) mode\b"
    r"|\b(?:no|without(?: any)?|free (?:of|from)|not bound by|unbound by|has no"
    r"|have no) (?:\w{1,14} ){0,3}?(?:restrictions?|limitations?|ethic\w*|moral\w*|filters?|censorship|safety"
    r"|guidelines|rules|content polic\w+|openai polic\w+)"
    r"|\b(?:pretend|act|role-?play|imagine|behave)\b[^.!?\n]{0,60}\b(?:evil|unrestricted|unfiltered|uncensored"
    r"|amoral|unethical|no rules|without rules|any restrictions|jailbr\w+)"
    r"|\b(?:never|don't|do not|cannot|can't|must not|won't) (?:ever )?(?:refuse|decline|say (?:no|\"?i (?:can't"
    r"|cannot)|that you can)|apologi[sz]e|warn|break character)\b|\bstay in character\b"
    r"|\byou (?:are|will be) now (?:going to )?(?:act|be|become|called|an? (?:un\w+|evil|amoral|jailbroken))"
    r"|\bAIM\b[^.\n]{0,30}\bMachiavelli|\bSTAN\b[^.\n]{0,20}strive"
)
PERSONA_ANSWER = re.compile(
    r"(?i)^\W{0,6}(?:DAN|AIM|STAN|EvilBot|evil|developer mode output|jailbreak|unfiltered|JailbrokenGPT"
    r"|\[?🔓[^\n]{0,20}|as DAN\b|(?:I am|I'm) (?:now )?(?:DAN|AIM|STAN|free of|unrestricted|in developer mode"
    r"|jailbroken))"
    r"\b|\b(?:I am|I'm) (?:now )?(?:DAN|in (?:developer|debug|god|unrestricted) mode|free (?:of"
    r"|from) (?:all )?(?:restrictions|rules)|no longer bound)|\[?🔓\s?JAILBREAK|^\W{0,6}\[?(?:jailbreak"
    r"|developer mode(?: output)?|DAN)\]?\s?[:\]]"
)
DISCLOSURE = re.compile(
    r"(?i)\b(?:my|the|here (?:is|are) (?:my|the)|these (?:are|were) my) (?:full |complete |original |initial "
    r"|hidden |secret |system |internal |exact |current )*(?:instructions?|system prompt|system message|prompt"
    r"|rules|guidelines)\b[^.\n]{0,30}?"
    r"\b(?:says?|states?|reads?|are|is|were|was|tells? me|include|begins?)\b|^\W*you are (?:an?"
    r"|the) (?:\w{1,16} ){0,4}(?:assistant|bot|agent|model|AI)\b"
)
# Somebody speaks to the one who writes the answer, in a text that should only be read.
ADDRESSED = re.compile(
    r"(?i)\b(?:in|to|into|of|from|with|for|at the (?:end|beginning|start) of|within|your|the) (?:your|the"
    r"|this) (?:\w{1,12} )?(?:response|answer|reply|output|message|summary|completion|words)\b"
    r"|\b(?:your|each|every) (?:response|answer|reply|output|message|summary|words|letters)\b|\b(?:respond|reply"
    r"|answer) (?:only |just |solely )?(?:in|with|using|by|as)\b"
    r"|\b(?:AI|assistant|chatbot|language model|LLM|model)s?\s?[,:]|\b(?:if you are|attention|note to"
    r"|dear) (?:an? |the )?(?:AI|assistant|language model|LLM|bot)\b|\b(?:vowels?|letters) with\b"
    r"|\banagrams? for\b"
    r"|\b(?:every|each) (?:\w{1,8} )?(?:letter|word|vowel|sentence)\b"
)
TASK = re.compile(
    r"(?i)^\W*(?:please |kindly |now |also |then |instead,? |can you |could you |would you )*(?:what(?:'s| is| are"
    r"| were| was)|who|how (?:do|does|did|can|to|much|many)|why|when|where|which|explain|describe|draft|write"
    r"|compose|develop|provide|create|translate|break down"
    r"|tell|list|show|summari[sz]e|give|generate|calculate|solve|print|say|output|repeat|send|forward|delete|email(?!\s?:)"
    r"|visit|click|call|run|execute|open|transfer|add|include|integrate|modify|enhance|augment|replace|insert"
    r"|append|mention|suggest|recommend)\b"
)
TRANSFORM = re.compile(
    r"(?i)\b(?:spaces?|punctuation|vowels?|letters|typos?|misspell\w*|jumble|scrambl\w+|anagram\w*|symbols?"
    r"|alphanumeric|homophonic|substitut\w+|reversed?|backwards?|uppercase|all caps|rot13|base64|morse"
    r"|groups? of)\b"
)
# The answer speaks about the attack instead of giving in.
NOTICED = re.compile(
    r"(?i)\b(?:prompt injection|injected|suspicious|phishing|malicious|untrusted|manipulat\w+|(?:embedded|hidden"
    r"|unrelated|additional|extraneous) (?:instruction|request|text|command|question)s?|ignored?(?: it| this| that"
    r"| the)|will not follow|did not follow"
    r"|won't follow|not following|can(?:'t|not) follow|have not acted|haven't acted|appears? to be an? (?:attempt"
    r"|instruction|attack)|an? attempt to|stick to my|remain|continue to follow|keep to my|still (?:follow|bound)"
    r"|cannot (?:share|reveal|disclose)|can't (?:share|reveal|disclose))\b"
)
META_WORDS = (
    "about add adding also answer appeal augment been being compelling compose could describe detail detailing "
    "develop direct directing draft each emphasizing encouraging enhance every example explain express "
    "following friendly from have headline highlight hint include integrate into introduction inviting just "
    "letters like link linking make mention mentioning message modify more must offering only other output "
    "over please promote provide reader readers reason recommendation reminder reply response sensational "
    "sentence should simple some statement stressing such suggest summary sure tease terms text than that "
    "their them then there they this tip used user users using very what when where which while will with word "
    "words would write your"
)
META = frozenset(META_WORDS.split())
