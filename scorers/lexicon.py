"""English word lists of the critical-difference checks: opposites, exclusive groups, synonyms, negative words, courtesies.

Data, written for this project; a line here is the whole change for a missing word. Words are compared by stem, so one form
is enough. Loaded once, on the first check (about 3 ms).
"""

from collections import defaultdict
from functools import lru_cache
from typing import NamedTuple

from scorers.words import stem

# Left pole and right pole; words on one side are no opposites of each other. "!" marks a right pole that by itself states
# a negative (so that "not open" and "closed" agree).
_OPPOSITES = """
approve accept grant authorise authorize confirm : deny reject decline refuse disapprove !
open : close shut !
allow permit let : block forbid forbidden deny prohibit ban disallow prevent bar !
enable activate : disable deactivate !
increase raise rise grow gain climb boost grew rose : decrease reduce lower drop fall shrink decline cut fell loss diminish
before prior until : after following
always : never !
safe secure harmless : unsafe dangerous harmful hazardous risky insecure toxic poisonous !
edible : inedible poisonous !
true correct right accurate : false incorrect wrong inaccurate mistaken untrue !
yes yeah : no nope
success succeed pass complete : fail failure unsuccessful !
include cover contain : exclude omit !
available : unavailable !
minimum least lowest : maximum most highest
minimum : maximum
buy purchase : sell
start begin open commence began : stop end finish halt cease
require mandatory compulsory obligatory necessary must : optional voluntary unnecessary
eligible qualify entitled : ineligible disqualify !
possible : impossible !
up upward : down downward
on : off
more extra : less fewer
above over : below under
early earlier earliest : late later latest
valid : invalid expired void !
legal lawful permitted : illegal unlawful !
online : offline
inbound incoming inward : outbound outgoing outward
win won : lose lost lost
free complimentary : paid charged
hot warm : cold cool
wet : dry
full : empty
strong : weak
high higher : low lower
fast faster quick quickly rapid : slow slower slowly
big large bigger larger great : small little smaller tiny
long longer : short shorter brief
heavy heavier : light lighter
hard difficult : easy simple
thick : thin
deep : shallow
wide : narrow
new newer newest newly : old older oldest used
young younger : old older elderly
first : last final
inside indoors indoor within : outside outdoors outdoor
internal : external
left : right
north northern : south southern
east eastern : west western
top upper : bottom lower
front : back rear
public : private
temporary temporarily : permanent permanently
direct directly : indirect indirectly
positive : negative
plus add addition added : minus subtract subtraction subtracted
multiply multiplication multiplied : divide division divided
import : export
upload : download
encrypt : decrypt
lock : unlock
install : uninstall
connect attach join : disconnect detach
push : pull
send sent : receive
give gave : take took
lend lent : borrow
arrive arrival : depart departure leave
ascend ascending : descend descending
expand : contract collapse
hire : fire dismiss
love like enjoy : hate dislike !
agree consent : disagree dissent !
support favour favor : oppose against
likely probable : unlikely improbable
common frequent usual : rare uncommon unusual infrequent
often frequently usually : rarely seldom hardly
many numerous : few
all every everyone everybody everything : none no nobody nothing
some : none no
everywhere : nowhere
same identical equal : different unequal distinct
similar alike : dissimilar
present : absent missing
active : inactive dormant
alive living : dead deceased
guilty : innocent
profit surplus : loss deficit
asset : liability
debit : credit
income revenue : expense expenditure
deposit : withdraw withdrawal
cheap inexpensive affordable : expensive costly
rich wealthy : poor
healthy : unhealthy sick ill !
better improve best : worse worsen worst deteriorate
good : bad poor
happy pleased satisfied : unhappy sad dissatisfied !
male man men boy : female woman women girl
husband : wife
father dad son brother uncle : mother mum mom daughter sister aunt
king : queen
day daytime : night nighttime
morning am : evening pm
summer : winter
spring : autumn fall
sunrise dawn : sunset dusk
past : future
ancient : modern
natural : artificial synthetic
raw uncooked : cooked
fresh : stale rotten spoiled frozen
solid : liquid gas
acid acidic : alkaline base basic
absorb : release emit
attract : repel
melt : freeze
expandable : fixed
fixed : variable floating
static : dynamic
mutable : immutable
synchronous : asynchronous
serial sequential : parallel concurrent
horizontal horizontally : vertical vertically
clockwise : counterclockwise anticlockwise
convex : concave
odd : even
even : odd
integer : fraction
single : married
employed : unemployed
employer : employee
landlord lessor : tenant lessee
seller vendor : buyer purchaser customer
lender creditor : borrower debtor
plaintiff claimant : defendant
teacher : student pupil
doctor physician : patient
sender : recipient receiver
host : guest
parent : child
predator : prey
client : server
ancestor : descendant
attacker : defender
winner : loser
offence offense : defence defense
attack : defend
create : destroy delete
insert : remove delete
keep retain : discard remove delete
save : delete discard
show visible display : hide hidden invisible
appear : disappear vanish
remember : forget
rise : set
accelerate : decelerate brake
tighten : loosen
clean : dirty
bright : dark dim
loud : quiet silent
smooth : rough
sharp : dull blunt
sweet : sour bitter
tall : short
near close nearby : far distant
recommended recommend advise advisable suggest : discouraged discourage inadvisable !
known : unknown
certain sure : uncertain unsure
known : unknown
resolved solved fixed : unresolved outstanding pending
domestic : international foreign
local : remote global
manual manually : automatic automatically automated
reversible : irreversible
refundable : nonrefundable
taxable : exempt
waterproof : permeable
with : without
for : against
ahead : behind
into : out
gross : net
upgrade : downgrade
promote : demote
optimistic : pessimistic
benefit advantage pro : drawback disadvantage con
strengthen : weaken
widen : narrow
lengthen : shorten
maximise maximize : minimise minimize
exceed surpass : below
contagious infectious : noncontagious
benign : malignant
acute : chronic
systolic : diastolic
artery : vein
hyper : hypo
oral orally : intravenous topical topically
voluntary : involuntary
major : minor
majority : minority
primary : secondary
input : output
read : write
client-side : server-side
horizontal : vertical
row : column
left-handed : right-handed
even : odd
vegan vegetarian : meat
peace : war
victory : defeat
birth born : death died
enter entrance : exit
lead leader : follow follower
"""

# A word of a group replaced by another of the same group is a change of fact, whatever the sentence says.
_GROUPS = """
*monday tuesday wednesday thursday friday saturday sunday
*january february march april june july august september october november december
today tomorrow yesterday tonight
*red orange yellow green blue purple violet black white grey brown pink
*north south east west northeast northwest southeast southwest
breakfast lunch dinner
hourly daily weekly biweekly fortnightly monthly quarterly yearly
once twice thrice
must may might should can could shall
all most many some several few
always usually often sometimes rarely never
first second third fourth fifth last
minute hour day week month year
thousand million billion trillion
milligram gram kilogram
*mercury venus earth mars jupiter saturn uranus neptune
gold silver bronze copper iron steel aluminium aluminum brass zinc lead tin nickel
oxygen hydrogen nitrogen carbon helium
protein fat carbohydrate fibre fiber sugar salt
beef pork chicken lamb fish turkey
apple banana cherry grape lemon lime mango peach pear
cat dog horse cow sheep goat rabbit
visa mastercard amex
email phone post fax text chat
he she they
him her them
his her their
knee elbow ankle wrist shoulder hip
heart liver lung kidney brain stomach
bus train car plane ferry tram taxi bike
solid liquid gas plasma
triangle square circle rectangle pentagon hexagon
addition subtraction multiplication division
sum difference product quotient
numerator denominator
mean median mode
red-eye daytime
put get post delete patch
stack queue heap
asia africa europe america australia antarctica
english french german spanish italian portuguese chinese japanese korean russian arabic
dollar euro pound yen
bronze silver gold platinum
north-facing south-facing
spring summer autumn winter
baking boiling frying steaming grilling roasting
cotton wool silk linen leather polyester
oak pine maple birch
debit credit cash cheque check
business working calendar
sea lake river ocean
monarch president premier
guitar piano violin drums
"""

# Words that may stand for each other in a minimal edit.
_SYNONYMS = """
buy purchase get obtain acquire order
big large huge great sizeable
small little tiny minor
fast quick rapid speedy swift prompt
begin start commence launch initiate
end finish stop conclude terminate complete
help assist support aid
fix repair mend resolve solve correct
send ship deliver dispatch mail forward
show display present
show indicate reveal demonstrate suggest
choose select pick opt
make create build produce generate construct
change modify alter adjust edit update switch
remove delete erase drop clear eliminate take
add insert append include
use utilise utilize employ apply leverage
need require must
want wish would like desire
ask request inquire query
answer reply respond response
tell inform notify let advise
say state mention note
get receive obtain
keep retain maintain hold store preserve
allow permit let enable
refund reimbursement repayment money
refund reimburse repay return
cancel terminate end revoke
customer client shopper user member
staff employee worker personnel team
company firm business organisation organization
phone telephone mobile call
email mail message
photo picture image
movie film
car vehicle automobile auto
doctor physician gp
child kid
shop store outlet
price cost fee charge rate
cheap inexpensive affordable
about approximately around roughly nearly some circa
over above exceeding
under below
within in inside
maximum max most
minimum min least
normally usually typically generally commonly
often frequently regularly
also too additionally furthermore moreover
however but though although yet nevertheless
because since as due owing
therefore thus so hence consequently
unfortunately regrettably sadly sorry
immediately instantly straightaway now
currently presently now
important essential crucial vital key significant
correct right accurate proper
wrong incorrect mistaken
error fault bug mistake issue problem defect
method approach way technique manner
function method procedure routine
folder directory
file document
website site page
click press tap hit select
log sign
login signin
password passphrase passcode
account profile
setting option preference configuration
verify check confirm validate ensure
start boot launch run
restart reboot
damaged broken faulty defective
item product article goods
order purchase
package parcel shipment delivery box
arrive reach land come
happy glad pleased delighted
sure certainly absolutely definitely
please kindly
hello hi hey greetings
thanks thank
holiday vacation
flat apartment
autumn fall
rubbish trash garbage
tap faucet
petrol gas gasoline
lift elevator
quite rather fairly pretty
very really extremely highly
completely totally entirely fully wholly
hard difficult tough challenging
easy simple straightforward
part portion section piece
whole entire full complete
different various distinct
same identical equal
near close nearby
between among amid
near by beside next
wrote authored penned written
invent devise create
discover find
die perish pass
born birth
live reside dwell
located situated found lies sits
capital
called named known termed
consist comprise include contain
cause lead trigger result
prevent avoid stop
reduce lower decrease cut lessen diminish
increase raise boost grow rise
improve enhance better
protect guard shield defend secure
warm heat
cool chill
mix stir combine blend
cook prepare make
eat consume
drink consume
medicine medication drug
illness disease sickness condition
pain ache
take consume ingest
big major
main primary chief principal
many numerous several multiple
enough sufficient adequate
whole total
sum total amount
calculate compute work determine figure
equal is equals
give provide offer supply grant
explain describe clarify
see view look watch
think believe consider
try attempt
happen occur take
wait pause hold
quickly rapidly fast promptly swiftly
shut close
speak talk
goal aim objective target purpose
job role position task
salary pay wage
rent lease
contract agreement
rule policy regulation
law legislation
tenant renter occupant
landlord owner
invoice bill
payment
deadline due
extend lengthen prolong
postpone delay defer
expire lapse
obtain get
clear obvious plain
typical usual normal standard regular
kind type sort
entire complete
perhaps maybe possibly
besides except
each every per
anybody anyone
somebody someone
nobody none
which that
who that
upon on
until till
while whilst whereas
can could able
may might could can
will shall would going
should ought
cannot
free complimentary gratis
eligible qualify entitled
required needed necessary mandatory
recommend advise suggest
"""

_FUNCTION_WORDS = frozenset(
    "a an the this that these those of to in on at by for from with as into onto about and or but so if then than when where "
    "while is are was were be been being am do does did has have had having will would shall should can could may might must it "
    "its he she they them his her their we us our you your i me my mine yours there here which who whom whose what how also "
    "just please too very really quite well now even still only any some each every own such per via s t re ll ve d not no nor "
    "never none up down out over under again further once both all more most other".split()
)
_NEGATIONS = frozenset("not no never none nothing nobody neither nor nowhere without".split())
_WEAK_NEGATIVES = (
    "unable fail lack refuse avoid hardly barely rarely seldom scarcely except unless exclude stop prevent prohibit forbid "
    "decline impossible unavailable ineligible illegal invalid unsafe dangerous deny reject miss absent ban unlikely only "
    "out missing gone sold ineffective insufficient nonrefundable few little unnecessary stopped cannot unfortunately sorry instead rather unsupported"
).split()
_HEDGES_OF_SCOPE = frozenset("only unless except until without if but excluding provided".split())
_NEGATIVE_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "mis", "de")


class Lexicon(NamedTuple):
    """The lists, indexed by stem."""

    opposites: dict[str, frozenset[str]]
    groups: dict[str, frozenset[int]]
    strong_groups: frozenset[int]
    synonyms: dict[str, frozenset[int]]
    negatives: frozenset[str]


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Builds the index once."""
    opposites: defaultdict[str, set[str]] = defaultdict(set)
    negatives = {stem(word) for word in _WEAK_NEGATIVES}
    sides: list[str] = []
    for line in filter(None, _OPPOSITES.strip().split("\n")):
        left, right = line.split(":")
        sides += [left, right.replace("!", "")]
        for p in left.split():
            for q in right.replace("!", "").split():
                if stem(p) != stem(q):
                    opposites[stem(p)].add(stem(q))
                    opposites[stem(q)].add(stem(p))
        if "!" in right:
            negatives |= {stem(word) for word in right.replace("!", "").split()}
    groups, strong = _indexed(_GROUPS)
    synonyms, _ = _indexed("\n".join([_SYNONYMS.strip(), *sides]))
    return Lexicon(
        {word: frozenset(others) for word, others in opposites.items()}, groups, strong, synonyms, frozenset(negatives)
    )


def _indexed(table: str) -> tuple[dict[str, frozenset[int]], frozenset[int]]:
    index: defaultdict[str, set[int]] = defaultdict(set)
    strong: set[int] = set()
    for number, line in enumerate(filter(None, table.strip().split("\n"))):
        if line.startswith("*"):
            strong.add(number)
        for word in line.lstrip("*").split():
            index[stem(word)].add(number)
    return {word: frozenset(numbers) for word, numbers in index.items()}, frozenset(strong)


def is_function_word(word: str) -> bool:
    """True for words that carry structure rather than content."""
    return word in _FUNCTION_WORDS


def is_negation(word: str) -> bool:
    """True for an explicit negation (contractions are written out before)."""
    return word in _NEGATIONS


def narrows(word: str) -> bool:
    """True for a word that opens a condition or exception."""
    return word in _HEDGES_OF_SCOPE


def states_negative(word: str) -> bool:
    """True for a word that denies something by itself: "unable", "refused", "without", "unavailable"."""
    return word in _NEGATIONS or stem(word) in lexicon().negatives


def opposite(a: str, b: str) -> bool:
    """True for opposites, by list or by a negative prefix ("stable", "unstable"; "careful", "careless")."""
    if b in lexicon().opposites.get(stem(a), ()) or stem(b) in lexicon().opposites.get(stem(a), ()):
        return True
    short, long = sorted((a, b), key=len)
    if len(short) >= 4 and any(long == prefix + short for prefix in _NEGATIVE_PREFIXES):
        return True
    return a[:-3] == b[:-4] and {a[-3:], b[-4:]} == {"ful", "less"} or a[:-4] == b[:-3] and {a[-4:], b[-3:]} == {"less", "ful"}


def shared_group(a: str, b: str) -> bool:
    """True for two different members of one exclusive group."""
    sa, sb = stem(a), stem(b)
    return sa != sb and bool(lexicon().groups.get(sa, frozenset()) & lexicon().groups.get(sb, frozenset()))


def strong_groups_of(word: str) -> frozenset[int]:
    """Exclusive groups whose members state a fact even in reworded text (weekdays, months, colours)."""
    return lexicon().groups.get(stem(word), frozenset()) & lexicon().strong_groups


def synonymous(a: str, b: str) -> bool:
    """True when the words may stand for each other: one stem, a common list, or spellings such as "colour" and "color"."""
    if stem(a) == stem(b) or a.replace("our", "or") == b.replace("our", "or") or a.replace("ise", "ize") == b.replace("ise", "ize"):
        return True
    return bool(lexicon().synonyms.get(stem(a), frozenset()) & lexicon().synonyms.get(stem(b), frozenset()))
